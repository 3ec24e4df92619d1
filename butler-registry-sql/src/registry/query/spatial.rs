//! Overlaps of regions: candidates by pixels, in the database; decisions by geometry, afterwards.

use std::ops::Range;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{Arithmetic, ColumnType, Comparison, Relation, Scalar};
use butler_core::query::{ExprType, Field, FixedValues, Literal, Predicate, TypedExpr};
use butler_core::sky::{Pixelization, Region};
use butler_core::{DimensionElement, Error, ErrorKind, Result};

use super::plan::Plan;
use crate::registry::Shared;
use crate::registry::apply::cut;
use crate::registry::layout::{PIXEL_RANGE_MAX, element_table, key_type, pixel_table};
use crate::registry::rows::{Strings, batch, is, key, push_key};

/// Something with a region in each row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// The region of an element's record, looked up by the values of its required dimensions.
    Element { element: DimensionElement, keys: Vec<ArcStr> },
    /// A sky pixel, by its number.
    Pixel { pixels: Pixelization, key: ArcStr },
    /// A region that is the same for all rows.
    Constant(Arc<Region>),
}

/// A condition that is decided after the database has answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Exact {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// A condition that the database has evaluated, in a boolean column.
    Flag(ArcStr),
    /// Whether two regions overlap: only a sure no is no.
    Overlap(Place, Place),
}

/// Whether a predicate contains an overlap of regions.
pub(super) fn is_spatial(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::And(operands) | Predicate::Or(operands) => operands.iter().any(is_spatial),
        Predicate::Not(operand) => is_spatial(operand),
        Predicate::Overlaps { left, .. } => left.ty() == ExprType::Region,
        _ => false,
    }
}

/// Whether a condition says something of an element's records alone.
pub(super) fn concerns(element: DimensionElement, condition: &Predicate) -> bool {
    let mut all = !is_spatial(condition);
    condition.for_each_field(&mut |field| {
        all &= match field {
            Field::Key(dimension) => element.dimensions().any(|own| own == *dimension),
            Field::Record { element: other, .. } => *other == element,
            Field::Dataset { .. } => false,
        };
    });
    all
}

/// The conditions that all must hold.
pub(super) fn conjuncts(predicate: Predicate) -> Vec<Predicate> {
    match predicate {
        Predicate::And(operands) => operands.into_iter().flat_map(conjuncts).collect(),
        single => vec![single],
    }
}

/// One side of an overlap of regions.
enum Side {
    Element(DimensionElement),
    Pixel(DimensionElement, Pixelization),
    Constant(Arc<Region>),
}

fn side(expr: &TypedExpr) -> Result<Side> {
    match expr {
        TypedExpr::Field(Field::Record { element, .. }) if element.skypix().is_some() => {
            Ok(Side::Pixel(*element, element.name().parse()?))
        }
        TypedExpr::Field(Field::Record { element, .. }) => Ok(Side::Element(*element)),
        TypedExpr::Literal(Literal::Region(region)) => Ok(Side::Constant(Arc::new(region.decode()?.clone()))),
        _ => Err(Error::new(
            ErrorKind::InvalidQuery,
            "OVERLAPS takes regions of dimensions and constant regions",
        )),
    }
}

/// The elements of an overlap of two regions of elements with tables; none of any other predicate.
pub(super) fn compared_elements(
    predicate: &Predicate,
) -> Result<Option<(DimensionElement, DimensionElement)>> {
    match predicate {
        Predicate::Overlaps { left, right } if left.ty() == ExprType::Region => {
            Ok(match (side(left)?, side(right)?) {
                (Side::Element(a), Side::Element(b)) => Some((a, b)),
                _ => None,
            })
        }
        _ => Ok(None),
    }
}

/// Elements with regions that a predicate compares, deep inside or on top.
pub(super) fn elements_of(predicate: &Predicate) -> Vec<DimensionElement> {
    let mut elements = Vec::new();
    visit_overlaps(predicate, &mut |left, right| {
        for expr in [left, right] {
            if let TypedExpr::Field(Field::Record { element, .. }) = expr
                && element.skypix().is_none()
            {
                elements.push(*element);
            }
        }
    });
    elements
}

fn visit_overlaps<'a>(predicate: &'a Predicate, see: &mut impl FnMut(&'a TypedExpr, &'a TypedExpr)) {
    match predicate {
        Predicate::And(operands) | Predicate::Or(operands) => {
            operands.iter().for_each(|operand| visit_overlaps(operand, see));
        }
        Predicate::Not(operand) => visit_overlaps(operand, see),
        Predicate::Overlaps { left, right } if left.ty() == ExprType::Region => see(left, right),
        _ => {}
    }
}

impl Plan {
    /// Joins what an overlap of regions, which all rows must satisfy, asks for.
    pub(super) fn join_overlap(&mut self, predicate: &Predicate) -> Result<()> {
        let Predicate::Overlaps { left, right } = predicate else { return Ok(()) };
        match (side(left)?, side(right)?) {
            (Side::Element(a), Side::Element(b)) => self.element_with_element(a, b),
            (Side::Element(element), Side::Constant(region))
            | (Side::Constant(region), Side::Element(element)) => {
                self.element_with_constant(element, &region)
            }
            (Side::Element(element), Side::Pixel(pixel, _))
            | (Side::Pixel(pixel, _), Side::Element(element)) => self.join_pixels(element, pixel),
            (Side::Pixel(pixel, pixels), Side::Constant(region))
            | (Side::Constant(region), Side::Pixel(pixel, pixels)) => {
                self.pixel_in(pixel, pixels.envelope(&region).ranges())
            }
            (Side::Pixel(..), Side::Pixel(..)) => Err(Error::new(
                ErrorKind::InvalidQuery,
                "an overlap of two sky pixels needs a region between them",
            )
            .with_hint("join each of them with a region, such as that of a visit or a patch")),
            (Side::Constant(_), Side::Constant(_)) => Err(Error::new(
                ErrorKind::InvalidQuery,
                "an overlap of two constant regions says nothing about the rows",
            )),
        }
    }

    fn common(&self) -> Result<(DimensionElement, Pixelization)> {
        let common = self.dimensions.universe().common_skypix();
        Ok((common, common.name().parse()?))
    }

    fn place(&self, element: DimensionElement) -> Result<Place> {
        let keys = element
            .required()
            .map(|dimension| match self.key(dimension)? {
                Scalar::Column(name) => Ok(name),
                _ => Err(super::plan::unbound(dimension.name())),
            })
            .collect::<Result<_>>()?;
        Ok(Place::Element { element, keys })
    }

    fn element_with_element(&mut self, a: DimensionElement, b: DimensionElement) -> Result<()> {
        if let Some(pairs) = self.pairs.remove(&(a, b)) {
            self.join(pairs.relation(), &pairs.keys, &[], Vec::new());
            return Ok(());
        }
        let (common, _) = self.common()?;
        if self.dimensions.contains(common) {
            self.join_pixels(a, common)?;
            self.join_pixels(b, common)?;
        } else {
            let (left, right) = (named_pixels(a, "a"), named_pixels(b, "b"));
            let shared = a.required().filter(|dimension| b.required().any(|other| other == *dimension));
            let same = shared.map(|d| Scalar::column(format!("a_{d}")).eq(Scalar::column(format!("b_{d}"))));
            let on = Scalar::all(same.chain([ranges_meet("a", "b")]));
            let mut keys: Vec<(DimensionElement, ArcStr)> =
                a.required().map(|dimension| (dimension, format!("a_{dimension}").into())).collect();
            for dimension in b.required() {
                if !keys.iter().any(|(known, _)| *known == dimension) {
                    keys.push((dimension, format!("b_{dimension}").into()));
                }
            }
            let pairs = left.join(right, on).select(keys.iter().map(|(_, name)| name.clone())).distinct();
            self.join(pairs, &keys, &[], Vec::new());
        }
        let exact = Exact::Overlap(self.place(a)?, self.place(b)?);
        self.exact.push(exact);
        Ok(())
    }

    fn element_with_constant(&mut self, element: DimensionElement, region: &Arc<Region>) -> Result<()> {
        let (common, pixels) = self.common()?;
        let envelope = pixels.envelope(region);
        if self.dimensions.contains(common) {
            self.join_pixels(element, common)?;
            self.pixel_in(common, envelope.ranges())?;
        } else {
            let (touched, keys) = touching(element, envelope.ranges());
            self.join(touched.distinct(), &keys, &[], Vec::new());
        }
        let exact = Exact::Overlap(self.place(element)?, Place::Constant(Arc::clone(region)));
        self.exact.push(exact);
        Ok(())
    }

    /// Joins an element with the pixels of a level that its region may touch.
    fn join_pixels(&mut self, element: DimensionElement, pixel: DimensionElement) -> Result<()> {
        let ranges = match self.pixel_sets.get(&(element, pixel)) {
            Some(ranges) => ranges.clone(),
            None => named_pixels(element, "a"),
        };
        let mut keys: Vec<(DimensionElement, ArcStr)> =
            element.required().map(|dimension| (dimension, format!("a_{dimension}").into())).collect();
        if let Some(bound) = self.keys.get(&pixel).cloned() {
            let names = self.join(ranges, &keys, &["a_begin".into(), "a_end".into()], Vec::new());
            let key = Scalar::Column(bound);
            self.filter(Scalar::all([
                Scalar::Column(names[0].clone()).compare(Comparison::Le, key.clone()),
                Scalar::Column(names[1].clone()).gt(key),
            ]));
            return Ok(());
        }
        let index = Scalar::column("a_begin").arithmetic(Arithmetic::Add, Scalar::column("offset"));
        let columns = keys
            .iter()
            .map(|(_, name)| (name.clone(), Scalar::Column(name.clone())))
            .chain([("pixel".into(), index.clone())]);
        let exploded = ranges.join(offsets(), index.lt(Scalar::column("a_end"))).project(columns);
        keys.push((pixel, arcstr::literal!("pixel")));
        self.join(exploded, &keys, &[], Vec::new());
        Ok(())
    }

    /// Keeps rows whose sky pixel is in some ranges.
    fn pixel_in(&mut self, pixel: DimensionElement, ranges: &[Range<u64>]) -> Result<()> {
        let key = self.key(pixel)?;
        let alternatives = ranges
            .iter()
            .map(|range| Scalar::all([key.clone().ge(range.start as i64), key.clone().lt(range.end as i64)]));
        let condition = Scalar::Or(alternatives.collect());
        self.filter(condition);
        Ok(())
    }

    /// A condition with overlaps deep inside: the database keeps whatever may
    /// satisfy it, and evaluates the other parts for the decision afterwards.
    pub(super) fn filter_nested(&mut self, predicate: &Predicate) -> Result<()> {
        let may_hold = self.relaxed(predicate, true)?;
        self.filter(may_hold);
        let exact = self.exact(predicate)?;
        self.exact.push(exact);
        Ok(())
    }

    /// A condition that holds wherever the predicate does (or, if not `above`, only there).
    fn relaxed(&self, predicate: &Predicate, above: bool) -> Result<Scalar> {
        if !is_spatial(predicate) {
            return self.predicate(predicate);
        }
        let all = |operands: &[Predicate]| -> Result<Vec<Scalar>> {
            operands.iter().map(|operand| self.relaxed(operand, above)).collect()
        };
        match predicate {
            Predicate::And(operands) => all(operands).map(Scalar::And),
            Predicate::Or(operands) => all(operands).map(Scalar::Or),
            Predicate::Not(operand) => {
                self.relaxed(operand, !above).map(|inner| Scalar::Not(Box::new(inner)))
            }
            _ if above => Ok(Scalar::And(Vec::new())),
            _ => Ok(Scalar::Or(Vec::new())),
        }
    }

    fn exact(&mut self, predicate: &Predicate) -> Result<Exact> {
        if !is_spatial(predicate) {
            let flag = self.fresh("flag");
            let scalar = self.predicate(predicate)?;
            self.flags.push((flag.clone(), scalar));
            return Ok(Exact::Flag(flag));
        }
        match predicate {
            Predicate::And(operands) => {
                operands.iter().map(|operand| self.exact(operand)).collect::<Result<_>>().map(Exact::And)
            }
            Predicate::Or(operands) => {
                operands.iter().map(|operand| self.exact(operand)).collect::<Result<_>>().map(Exact::Or)
            }
            Predicate::Not(operand) => self.exact(operand).map(|inner| Exact::Not(Box::new(inner))),
            Predicate::Overlaps { left, right } => {
                Ok(Exact::Overlap(self.exact_side(left)?, self.exact_side(right)?))
            }
            _ => Err(Error::new(ErrorKind::Unexpected, "a condition without regions is not spatial")),
        }
    }

    fn exact_side(&self, expr: &TypedExpr) -> Result<Place> {
        match side(expr)? {
            Side::Element(element) => self.place(element),
            Side::Constant(region) => Ok(Place::Constant(region)),
            Side::Pixel(pixel, pixels) => match self.key(pixel)? {
                Scalar::Column(key) => Ok(Place::Pixel { pixels, key }),
                _ => Err(super::plan::unbound(pixel.name())),
            },
        }
    }
}

/// Elements and sky pixels of levels without tables that a query joins, all rows of which satisfy the overlap.
pub(super) fn pixel_joins(
    conjuncts: &[Predicate],
    common: DimensionElement,
) -> Vec<(DimensionElement, DimensionElement)> {
    let mut joins = Vec::new();
    for conjunct in conjuncts {
        let Predicate::Overlaps { left, right } = conjunct else { continue };
        if let (Ok(left), Ok(right)) = (side(left), side(right))
            && let (Side::Element(element), Side::Pixel(pixel, _))
            | (Side::Pixel(pixel, _), Side::Element(element)) = (left, right)
            && pixel != common
            && !joins.contains(&(element, pixel))
        {
            joins.push((element, pixel));
        }
    }
    joins
}

/// The pixels of a level that the regions of an element's records may touch, as [`Plan`] joins them.
///
/// Only the pixels of the common level are kept in tables; others are found
/// for the records that the query's equalities leave.
pub(super) async fn pixel_set(
    shared: &Shared,
    element: DimensionElement,
    pixel: DimensionElement,
    fixed: &FixedValues,
) -> Result<Relation> {
    let pixels: Pixelization = pixel.name().parse()?;
    let names: Vec<ArcStr> = element.required().map(|d| d.name().clone()).collect();
    let conditions =
        element.required().filter_map(|d| Some(is(d.name().clone(), fixed.values.get(&d)?.clone())));
    let records = element_table(element)
        .scan()
        .filter(Scalar::all(conditions))
        .select(names.iter().cloned().chain([arcstr::literal!("region")]));
    let columns: Vec<ArcStr> = names
        .iter()
        .map(|name| ArcStr::from(format!("a_{name}")))
        .chain(["a_begin".into(), "a_end".into()])
        .collect();
    let types = element.required().map(key_type).chain([ColumnType::Int; 2]);
    let mut rows = batch(columns.iter().zip(types));
    let mut strings = Strings::default();
    for found in shared.collect(records).await? {
        let (keys, region) = found.columns().split_at(names.len());
        for row in 0..found.len() {
            let Some(bytes) = region[0].bytes(row) else { continue };
            for (begin, end) in cut(pixels.envelope(&Region::decode(bytes)?).ranges()) {
                let columns = rows.columns_mut();
                for (column, source) in columns.iter_mut().zip(keys) {
                    push_key(column, &key(source, row, &mut strings)?);
                }
                columns[names.len()].push_int(begin);
                columns[names.len() + 1].push_int(end);
                rows.end_row();
            }
        }
    }
    Ok(Relation::values(rows))
}

/// Pixel ranges of an element, every column under a prefix.
fn named_pixels(element: DimensionElement, prefix: &str) -> Relation {
    let table = pixel_table(element);
    let columns: Vec<(ArcStr, ArcStr)> = table
        .columns
        .iter()
        .map(|column| (ArcStr::from(format!("{prefix}_{}", column.name)), column.name.clone()))
        .collect();
    table.scan().rename(columns)
}

/// Whether ranges of pixels meet, of which the left is at most [`PIXEL_RANGE_MAX`] long.
///
/// The bound that follows from that lets the database search by the begin of the left.
fn ranges_meet(left: &str, right: &str) -> Scalar {
    let column = |prefix: &str, name: &str| Scalar::column(format!("{prefix}_{name}"));
    let (begin, end) = (column(right, "begin"), column(right, "end"));
    Scalar::all([
        column(left, "begin").gt(begin.clone().arithmetic(Arithmetic::Sub, PIXEL_RANGE_MAX as i64)),
        column(left, "begin").lt(end),
        column(left, "end").gt(begin),
    ])
}

/// Keys of the records whose regions may touch some pixels, some of them several times, and the columns of
/// their dimensions.
pub(super) fn touching(
    element: DimensionElement,
    ranges: &[Range<u64>],
) -> (Relation, Vec<(DimensionElement, ArcStr)>) {
    let keys: Vec<(DimensionElement, ArcStr)> =
        element.required().map(|dimension| (dimension, format!("a_{dimension}").into())).collect();
    let column = |name: &str| Scalar::column(name);
    let on = Scalar::all([
        column("a_begin").gt(column("r_low")),
        column("a_begin").lt(column("r_end")),
        column("a_end").gt(column("r_begin")),
    ]);
    let touched = named_pixels(element, "a")
        .join(constant_ranges(ranges), on)
        .select(keys.iter().map(|(_, name)| name.clone()));
    (touched, keys)
}

/// Ranges of pixels, and below which pixel no range in a table begins that meets one.
fn constant_ranges(ranges: &[Range<u64>]) -> Relation {
    let names = [arcstr::literal!("r_low"), arcstr::literal!("r_begin"), arcstr::literal!("r_end")];
    let mut rows = batch(names.iter().map(|name| (name, ColumnType::Int)));
    for range in ranges {
        let begin = range.start as i64;
        let values = [begin - PIXEL_RANGE_MAX as i64, begin, range.end as i64];
        rows.columns_mut().iter_mut().zip(values).for_each(|(column, value)| column.push_int(value));
        rows.end_row();
    }
    Relation::values(rows)
}

/// Distances from the begin of a range of pixels.
fn offsets() -> Relation {
    let name = arcstr::literal!("offset");
    let mut rows = batch([(&name, ColumnType::Int)]);
    for offset in 0..PIXEL_RANGE_MAX as i64 {
        rows.columns_mut()[0].push_int(offset);
        rows.end_row();
    }
    Relation::values(rows)
}
