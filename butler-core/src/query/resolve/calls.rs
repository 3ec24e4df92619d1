//! Functions: points, regions, UUIDs and patterns.

use arcstr::ArcStr;
use uuid::Uuid;

use super::convert::Value;
use super::{Scope, problem};
use crate::backend::GlobPattern;
use crate::query::language::{Diagnostic, Expr, Span};
use crate::query::typed::{ExprType, Literal, Predicate, TypedExpr};
use crate::sky::{Circle, ConvexPolygon, LonLat, Region, SkyBox, UnitVector};
use crate::suggest;

/// Names of all functions.
const FUNCTIONS: [&str; 7] = ["POINT", "CIRCLE", "BOX", "POLYGON", "REGION", "GLOB", "UUID"];

impl Scope<'_> {
    /// What a call of a function means.
    pub(super) fn call(&self, name: &str, args: &[Expr], span: Span) -> Result<Value, Diagnostic> {
        let upper = name.to_ascii_uppercase();
        let region = match upper.as_str() {
            "GLOB" => return self.glob(args, span).map(Value::Predicate),
            "UUID" => {
                return self
                    .uuid(args, span)
                    .map(|uuid| Value::Expr(TypedExpr::Literal(Literal::Uuid(uuid))));
            }
            "POINT" => self.point(args, span)?,
            "CIRCLE" => self.circle(args, span)?,
            "BOX" => self.sky_box(args, span)?,
            "POLYGON" => self.polygon(args, span)?,
            "REGION" => self.region(args, span)?,
            _ => {
                let diagnostic =
                    Diagnostic::new(span.part(0..name.len()), format!("there is no function `{name}`"))
                        .with_expected(FUNCTIONS);
                return Err(match suggest::nearest(name, FUNCTIONS) {
                    Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
                    None => diagnostic.with_help(format!("there are {}", FUNCTIONS.join(", "))),
                });
            }
        };
        Ok(Value::Expr(TypedExpr::Literal(Literal::Region(region.into()))))
    }

    fn glob(&self, args: &[Expr], span: Span) -> Result<Predicate, Diagnostic> {
        let [value, pattern] = args else {
            return Err(arity("GLOB", "a string field and a pattern", span));
        };
        let column = match self.convert(value)? {
            Value::Expr(column @ TypedExpr::Field(_)) if column.ty() == ExprType::Text => column,
            _ => return problem(value.span, "the first argument of GLOB must be a field of type string"),
        };
        let text = match self.convert(pattern)? {
            Value::Expr(TypedExpr::Literal(Literal::Text(text))) => text,
            _ => return problem(pattern.span, "the second argument of GLOB must be a string"),
        };
        Ok(Predicate::Glob { value: column, pattern: GlobPattern::new(text.as_str()) })
    }
}

fn arity(function: &str, takes: &str, span: Span) -> Diagnostic {
    Diagnostic::new(span, format!("{function} takes {takes}"))
}

impl Scope<'_> {
    /// A number that is written as such or bound, perhaps with signs.
    fn number(&self, argument: &Expr) -> Result<f64, Diagnostic> {
        let mut value = match self.convert(argument)? {
            Value::Expr(value) => value,
            _ => return problem(argument.span, "expected a number here, in degrees"),
        };
        let mut sign = 1.0;
        while let TypedExpr::Negate(operand) = value {
            (value, sign) = (*operand, -sign);
        }
        match value {
            TypedExpr::Literal(Literal::Int(value)) => Ok(sign * value as f64),
            TypedExpr::Literal(Literal::Float(value)) => Ok(sign * value),
            _ => problem(argument.span, "expected a number here, in degrees"),
        }
    }

    fn lon_lat(&self, ra: &Expr, dec: &Expr) -> Result<LonLat, Diagnostic> {
        let place = ra.span.to(dec.span);
        LonLat::from_degrees(self.number(ra)?, self.number(dec)?)
            .map_err(|error| Diagnostic::new(place, error.to_string()))
    }

    fn uuid(&self, args: &[Expr], span: Span) -> Result<Uuid, Diagnostic> {
        let [argument] = args else { return Err(arity("UUID", "one string", span)) };
        Uuid::parse_str(&self.text(argument, "UUID")?)
            .map_err(|error| Diagnostic::new(argument.span, format!("this is no UUID: {error}")))
    }

    fn text(&self, argument: &Expr, function: &str) -> Result<ArcStr, Diagnostic> {
        match self.convert(argument)? {
            Value::Expr(TypedExpr::Literal(Literal::Text(text))) => Ok(text),
            _ => problem(argument.span, format!("the argument of {function} must be a string")),
        }
    }

    fn point(&self, args: &[Expr], span: Span) -> Result<Region, Diagnostic> {
        let [ra, dec] = args else {
            return Err(arity("POINT", "right ascension and declination in degrees", span));
        };
        Ok(Region::from(Circle::new(self.lon_lat(ra, dec)?.into(), 0.0)))
    }

    fn circle(&self, args: &[Expr], span: Span) -> Result<Region, Diagnostic> {
        let [ra, dec, radius] = args else {
            return Err(arity("CIRCLE", "right ascension, declination and radius in degrees", span));
        };
        // The radius is what it says; the Python butler takes it for half of one.
        Ok(Region::from(Circle::new(self.lon_lat(ra, dec)?.into(), self.number(radius)?)))
    }

    fn sky_box(&self, args: &[Expr], span: Span) -> Result<Region, Diagnostic> {
        let [ra, dec, width, height] = args else {
            return Err(arity(
                "BOX",
                "right ascension and declination of the centre, width and height in degrees",
                span,
            ));
        };
        Ok(Region::from(SkyBox::around(
            self.lon_lat(ra, dec)?,
            self.number(width)? / 2.0,
            self.number(height)? / 2.0,
        )))
    }

    fn polygon(&self, args: &[Expr], span: Span) -> Result<Region, Diagnostic> {
        let (pairs, rest) = args.as_chunks::<2>();
        if pairs.len() < 3 || !rest.is_empty() {
            return Err(arity(
                "POLYGON",
                "right ascension and declination of three or more points, in degrees",
                span,
            ));
        }
        let points: Vec<UnitVector> = pairs
            .iter()
            .map(|[ra, dec]| self.lon_lat(ra, dec).map(UnitVector::from))
            .collect::<Result<_, _>>()?;
        ConvexPolygon::convex_hull(&points)
            .map(Region::from)
            .map_err(|error| Diagnostic::new(span, error.to_string()))
    }

    fn region(&self, args: &[Expr], span: Span) -> Result<Region, Diagnostic> {
        let [argument] = args else {
            return Err(arity("REGION", "one string, such as 'CIRCLE 12.5 -30 0.1'", span));
        };
        let text = self.text(argument, "REGION")?;
        Region::from_ivoa_pos(&text).map_err(|error| Diagnostic::new(argument.span, error.to_string()))
    }
}
