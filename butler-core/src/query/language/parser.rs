//! Tokens to a tree: a Pratt parser whose stack is on the heap, so that no input can exhaust the thread's.

use super::diagnostic::{Diagnostic, quote};
use super::lexer::{Lexer, Token, TokenKind as Kind};
use super::syntax::{ArithmeticOp, CompareOp, Expr, ExprKind, Item, Level, Literal, OrderTerm, Sign, Span};
use crate::suggest;

/// The height that no parsed tree exceeds: functions that walk a tree may recurse.
///
/// An `AND` or `OR` of any number of operands counts once; parentheses do not
/// count, but no more than twice as many constructs can be open at one place.
pub const MAX_DEPTH: usize = 500;

/// Syntax tree of a `where` expression; none if the text is blank.
///
/// # Errors
/// A [`Diagnostic`] of the first place where the text is not in the language, or
/// where it is nested more deeply than [`MAX_DEPTH`].
pub fn parse(text: &str) -> Result<Option<Expr>, Diagnostic> {
    with_parser(text, |parser| {
        if parser.token.kind == Kind::End {
            return Ok(None);
        }
        let expr = parser.expression()?;
        match parser.token.kind {
            Kind::End => Ok(Some(expr)),
            _ => Err(parser.unexpected_after_operand(&["end of expression"]).into()),
        }
    })
}

/// One term of an ordering: a name of one to three words, after a `-` if descending.
///
/// # Errors
/// A [`Diagnostic`] if the text is anything else.
pub fn parse_order_term(text: &str) -> Result<OrderTerm, Diagnostic> {
    with_parser(text, |parser| {
        let descending = parser.accept(Kind::Arithmetic(ArithmeticOp::Subtract))?;
        if !matches!(parser.token.kind, Kind::Word | Kind::Path) {
            return Err(parser.unexpected(&["a name"]).into());
        }
        let token = parser.advance()?;
        if parser.token.kind != Kind::End {
            let help = "a term of an ordering is a name, with `-` before it for descending order";
            return Err(parser.unexpected(&["end of expression"]).with_help(help).into());
        }
        Ok(OrderTerm { descending, name: parser.text_of(token).to_owned(), span: token.span })
    })
}

fn with_parser<'a, T>(
    text: &'a str,
    body: impl FnOnce(&mut Parser<'a>) -> Parsed<T>,
) -> Result<T, Diagnostic> {
    Parser::new(text)
        .and_then(|mut parser| body(&mut parser))
        .map_err(|diagnostic| diagnostic.with_source(text))
}

type Parsed<T> = Result<T, Box<Diagnostic>>;

/// A finished part of the tree.
struct Node {
    expr: Expr,
    /// Its text with the parentheses around it.
    outer: Span,
    height: usize,
    /// How tightly an operator may bind that takes it for its left operand.
    ceiling: Level,
}

/// A construct that waits for its next operand.
struct Frame {
    pending: Pending,
    /// Where it begins.
    start: Span,
    /// Height of its highest operand so far.
    height: usize,
}

enum Pending {
    /// `(`
    Group,
    /// `(first,`
    Tuple(Expr),
    /// `name(arg, …`
    Call(Vec<Expr>),
    /// `value [NOT] IN (item, …`
    List(List),
    /// `a AND b …` or `a OR b …`
    Chain(Kind, Vec<Expr>),
    /// `value [NOT] BETWEEN`
    Between {
        value: Expr,
        negated: bool,
    },
    Last(Last),
}

struct List {
    value: Expr,
    items: Vec<Item>,
    negated: bool,
}

/// A construct that its next operand completes.
enum Last {
    Not,
    Sign(Sign),
    Compare(CompareOp, Expr),
    Arithmetic(ArithmeticOp, Expr),
    /// `value [NOT] BETWEEN low AND`
    High {
        value: Expr,
        low: Expr,
        negated: bool,
    },
}

impl Last {
    fn with(self, operand: Expr) -> ExprKind {
        let operand = Box::new(operand);
        match self {
            Self::Not => ExprKind::Not(operand),
            Self::Sign(sign) => ExprKind::Signed { sign, operand },
            Self::Compare(op, left) => ExprKind::Compare { op, left: Box::new(left), right: operand },
            Self::Arithmetic(op, left) => ExprKind::Arithmetic { op, left: Box::new(left), right: operand },
            Self::High { value, low, negated } => {
                ExprKind::Between { value: Box::new(value), low: Box::new(low), high: operand, negated }
            }
        }
    }
}

impl Pending {
    /// How tightly the operators of the next operand must bind.
    fn floor(&self) -> Level {
        match self {
            Self::Group | Self::Tuple(_) | Self::Call(_) => Level::Or,
            Self::List(_) => Level::Value,
            Self::Chain(Kind::Or, _) => Level::Or.tighter(),
            Self::Chain(..) => Level::And.tighter(),
            Self::Between { .. } => Level::Predicate.tighter(),
            Self::Last(last) => match last {
                Last::Not => Level::Not,
                Last::Sign(_) => Level::Value,
                Last::Compare(..) => Level::Compare.tighter(),
                Last::Arithmetic(op, _) => op.level().tighter(),
                Last::High { .. } => Level::Predicate.tighter(),
            },
        }
    }
}

const LIST_HELP: &str = "a list has literals, ranges, names of one word, and calls like `UUID('…')`";

/// Words that can follow an operand.
const KEYWORDS: [&str; 7] = ["AND", "OR", "IN", "NOT", "IS", "BETWEEN", "OVERLAPS"];

/// The parser. Its functions that return an optional [`Node`] give a finished
/// operand, or none if they put a frame on the stack and want its next operand.
struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    token: Token,
    /// The token before; empty at the beginning.
    previous: Span,
    stack: Vec<Frame>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self { text, lexer, token, previous: Span::default(), stack: Vec::new() })
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.span.start..token.span.end]
    }

    /// Takes the current token.
    fn advance(&mut self) -> Parsed<Token> {
        let token = self.token;
        self.previous = token.span;
        self.token = self.lexer.next()?;
        Ok(token)
    }

    fn accept(&mut self, kind: Kind) -> Parsed<bool> {
        let found = self.token.kind == kind;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, kind: Kind, name: &str) -> Parsed<Token> {
        if self.token.kind == kind { self.advance() } else { Err(self.unexpected(&[name]).into()) }
    }

    /// Whether the current token is a word that is a keyword only in this place.
    fn at_word(&self, word: &str) -> bool {
        self.token.kind == Kind::Word && self.text_of(self.token).eq_ignore_ascii_case(word)
    }

    fn expression(&mut self) -> Parsed<Expr> {
        let mut finished = None;
        loop {
            let floor = self.stack.last().map_or(Level::Or, |frame| frame.pending.floor());
            finished = match finished {
                None => self.operand(floor)?,
                Some(left) => match self.operator() {
                    Some(level) if (floor..=left.ceiling).contains(&level) => self.begin(left)?,
                    _ => match self.stack.pop() {
                        Some(frame) => self.resume(frame, left)?,
                        None => return Ok(left.expr),
                    },
                },
            };
        }
    }

    /// Puts a construct on the stack until its next operand is finished.
    fn wait(&mut self, pending: Pending, start: Span, height: usize) -> Parsed<Option<Node>> {
        if self.stack.len() == 2 * MAX_DEPTH {
            return Err(too_deep(start));
        }
        self.stack.push(Frame { pending, start, height });
        Ok(None)
    }

    /// What stands between operators; `NOT` only where nothing tighter is asked for.
    fn operand(&mut self, floor: Level) -> Parsed<Option<Node>> {
        let token = self.token;
        let text = self.text_of(token);
        let kind = match token.kind {
            Kind::Word => return self.word(),
            Kind::Integer | Kind::Float => return self.number(None).map(|number| Some(leaf(number))),
            Kind::Arithmetic(ArithmeticOp::Add | ArithmeticOp::Subtract) => return self.sign(),
            Kind::Not if floor <= Level::Not => {
                self.advance()?;
                return self.wait(Pending::Last(Last::Not), token.span, 0);
            }
            Kind::Not => {
                let help = "after this operator `NOT` needs parentheses: `(NOT …)`";
                return Err(self.unexpected(&["a value"]).with_help(help).into());
            }
            Kind::Open => {
                self.advance()?;
                return self.wait(Pending::Group, token.span, 0);
            }
            Kind::Path => ExprKind::Name(text.to_owned()),
            Kind::Bind => ExprKind::Bind(text[1..].to_owned()),
            Kind::String => ExprKind::Literal(Literal::String(unquote(&text[1..]))),
            Kind::Time => ExprKind::Literal(Literal::Time(unquote(&text[2..]))),
            _ => return Err(self.unexpected(&["a value"]).into()),
        };
        self.advance()?;
        Ok(Some(leaf(Expr { kind, span: token.span })))
    }

    /// A name, a function call, or one of the words that are values.
    fn word(&mut self) -> Parsed<Option<Node>> {
        let token = self.advance()?;
        let name = self.text_of(token).to_owned();
        if self.accept(Kind::Open)? {
            if self.token.kind != Kind::Close {
                return self.wait(Pending::Call(Vec::new()), token.span, 0);
            }
            let span = token.span.to(self.advance()?.span);
            return Ok(Some(leaf(Expr { kind: ExprKind::Call { name, args: Vec::new() }, span })));
        }
        let kind = match name.to_ascii_uppercase().as_str() {
            "NULL" => ExprKind::Literal(Literal::Null),
            "TRUE" => ExprKind::Literal(Literal::Bool(true)),
            "FALSE" => ExprKind::Literal(Literal::Bool(false)),
            _ => ExprKind::Name(name),
        };
        Ok(Some(leaf(Expr { kind, span: token.span })))
    }

    /// A signed number, or the sign of something else.
    fn sign(&mut self) -> Parsed<Option<Node>> {
        let token = self.advance()?;
        if matches!(self.token.kind, Kind::Integer | Kind::Float) {
            return self.number(Some(token)).map(|number| Some(leaf(number)));
        }
        let sign = if self.text_of(token) == "-" { Sign::Minus } else { Sign::Plus };
        self.wait(Pending::Last(Last::Sign(sign)), token.span, 0)
    }

    /// A number after its sign.
    fn number(&mut self, sign: Option<Token>) -> Parsed<Expr> {
        let token = self.token;
        if !matches!(token.kind, Kind::Integer | Kind::Float) {
            return Err(self.unexpected(&["a number"]).into());
        }
        self.advance()?;
        let span = sign.unwrap_or(token).span.to(token.span);
        let text = sign.map_or("", |sign| self.text_of(sign)).to_owned() + self.text_of(token);
        let (literal, range) = if token.kind == Kind::Integer {
            (text.parse().ok().map(Literal::Integer), "64-bit integers")
        } else {
            (text.parse().ok().filter(|value: &f64| value.is_finite()).map(Literal::Float), "64-bit floats")
        };
        literal.map(|literal| Expr { kind: ExprKind::Literal(literal), span }).ok_or_else(|| {
            Diagnostic::new(span, format!("number {} is beyond the range of {range}", quote(&text))).into()
        })
    }

    /// How tightly the operator binds that the current token begins, if it begins one.
    fn operator(&self) -> Option<Level> {
        match self.token.kind {
            Kind::Or => Some(Level::Or),
            Kind::And => Some(Level::And),
            Kind::Compare(_) => Some(Level::Compare),
            Kind::In | Kind::Not => Some(Level::Predicate),
            Kind::Word if self.at_word("IS") || self.at_word("BETWEEN") => Some(Level::Predicate),
            Kind::Arithmetic(op) => Some(op.level()),
            _ => None,
        }
    }

    /// Begins the construct of which `left` is the left operand.
    fn begin(&mut self, left: Node) -> Parsed<Option<Node>> {
        let pending = match self.token.kind {
            keyword @ (Kind::Or | Kind::And) => Pending::Chain(keyword, vec![left.expr]),
            Kind::Compare(op) => Pending::Last(Last::Compare(op, left.expr)),
            Kind::Arithmetic(op) => Pending::Last(Last::Arithmetic(op, left.expr)),
            _ => return self.predicate(left),
        };
        self.advance()?;
        self.wait(pending, left.outer, left.height)
    }

    /// `left IS [NOT] NULL`, or the beginning of `left [NOT] IN (…)` or `left [NOT] BETWEEN …`.
    fn predicate(&mut self, left: Node) -> Parsed<Option<Node>> {
        let value = left.expr;
        if self.at_word("IS") {
            self.advance()?;
            let negated = self.accept(Kind::Not)?;
            if !self.at_word("NULL") {
                let expected: &[&str] = if negated { &["`NULL`"] } else { &["`NULL`", "`NOT NULL`"] };
                return Err(self.unexpected(expected).into());
            }
            let span = left.outer.to(self.advance()?.span);
            return node(ExprKind::IsNull { value: Box::new(value), negated }, span, left.height);
        }
        let negated = self.accept(Kind::Not)?;
        if self.accept(Kind::In)? {
            self.expect(Kind::Open, "`(`")?;
            return self.members(List { value, items: Vec::new(), negated }, left.outer, left.height);
        }
        if !self.at_word("BETWEEN") {
            return Err(self.unexpected(&["`IN`", "`BETWEEN`"]).into());
        }
        self.advance()?;
        self.wait(Pending::Between { value, negated }, left.outer, left.height)
    }

    /// Goes on with a construct whose next operand is finished.
    fn resume(&mut self, frame: Frame, operand: Node) -> Parsed<Option<Node>> {
        let Frame { pending, start, height } = frame;
        let Node { expr, outer, height: reached, .. } = operand;
        let height = height.max(reached);
        match pending {
            Pending::Group => {
                if self.accept(Kind::Comma)? {
                    return self.wait(Pending::Tuple(expr), start, height);
                }
                let outer = start.to(self.close(&["`)`"])?);
                Ok(Some(Node { expr, outer, height, ceiling: Level::Value }))
            }
            Pending::Tuple(first) => {
                let span = start.to(self.close(&["`)`"])?);
                node(ExprKind::Tuple(Box::new(first), Box::new(expr)), span, height)
            }
            Pending::Call(mut args) => {
                args.push(expr);
                if self.accept(Kind::Comma)? {
                    return self.wait(Pending::Call(args), start, height);
                }
                let name = self.text[start.start..start.end].to_owned();
                let span = start.to(self.close(&["`,`", "`)`"])?);
                node(ExprKind::Call { name, args }, span, height)
            }
            Pending::List(mut list) => {
                list.items.push(Item::Value(expr));
                if self.accept(Kind::Comma)? {
                    return self.members(list, start, height);
                }
                self.end_of_list(list, start, height)
            }
            Pending::Chain(keyword, mut operands) => {
                operands.push(expr);
                if self.accept(keyword)? {
                    return self.wait(Pending::Chain(keyword, operands), start, height);
                }
                let make = if keyword == Kind::And { ExprKind::And } else { ExprKind::Or };
                node(make(operands), start.to(outer), height)
            }
            Pending::Between { value, negated } => {
                self.expect(Kind::And, "`AND`")?;
                self.wait(Pending::Last(Last::High { value, low: expr, negated }), start, height)
            }
            Pending::Last(last) => node(last.with(expr), start.to(outer), height),
        }
    }

    /// Members of a list, up to one that is read as an operand, or to the end.
    fn members(&mut self, mut list: List, start: Span, height: usize) -> Parsed<Option<Node>> {
        loop {
            match self.token.kind {
                Kind::Arithmetic(_) | Kind::Integer | Kind::Float => list.items.push(self.range()?),
                Kind::Word | Kind::Bind | Kind::String | Kind::Time => {
                    self.wait(Pending::List(list), start, height)?;
                    return self.operand(Level::Value);
                }
                _ => return Err(self.unexpected(&["a member of the list"]).with_help(LIST_HELP).into()),
            }
            if !self.accept(Kind::Comma)? {
                return self.end_of_list(list, start, height);
            }
        }
    }

    fn end_of_list(&mut self, list: List, start: Span, height: usize) -> Parsed<Option<Node>> {
        if self.token.kind != Kind::Close {
            return Err(self.unexpected(&["`,`", "`)`"]).with_help(LIST_HELP).into());
        }
        let span = start.to(self.advance()?.span);
        let List { value, items, negated } = list;
        node(ExprKind::In { value: Box::new(value), items, negated }, span, height)
    }

    /// A range, or just a number.
    fn range(&mut self) -> Parsed<Item> {
        let first = self.signed_number()?;
        if !self.accept(Kind::DotDot)? {
            return Ok(Item::Value(first));
        }
        let last = self.signed_number()?;
        let mut span = first.span.to(last.span);
        let (start, end) = (integer(&first)?, integer(&last)?);
        let mut stride = 1;
        if self.accept(Kind::Colon)? {
            if self.token.kind != Kind::Integer || self.text_of(self.token).starts_with('0') {
                return Err(self.unexpected(&["a positive integer"]).into());
            }
            let step = self.number(None)?;
            span = span.to(step.span);
            stride = integer(&step)?;
        }
        if end < start.saturating_sub(1) {
            return Err(Diagnostic::new(span, format!("range {start}..{end} ends before it begins")).into());
        }
        Ok(Item::Range { start, end, stride, span })
    }

    fn signed_number(&mut self) -> Parsed<Expr> {
        let sign = match self.token.kind {
            Kind::Arithmetic(ArithmeticOp::Add | ArithmeticOp::Subtract) => Some(self.advance()?),
            _ => None,
        };
        self.number(sign)
    }

    /// The parenthesis that ends what an operand was the last part of.
    fn close(&mut self, expected: &[&str]) -> Parsed<Span> {
        match self.token.kind {
            Kind::Close => Ok(self.advance()?.span),
            _ => Err(self.unexpected_after_operand(expected).into()),
        }
    }

    /// The current token cannot stand here.
    fn unexpected(&self, expected: &[&str]) -> Diagnostic {
        let mut message = match expected {
            [others @ .., last] if !others.is_empty() => format!("expected {} or {last}", others.join(", ")),
            _ => format!("expected {}", expected.concat()),
        };
        if self.previous.end > 0 {
            message += &format!(" after {}", quote(&self.text[self.previous.start..self.previous.end]));
        }
        let span = if self.token.kind == Kind::End {
            message += ", found end of expression";
            Span::new(self.previous.end, self.previous.end)
        } else {
            message += &format!(", found {}", quote(self.text_of(self.token)));
            self.token.span
        };
        Diagnostic::new(span, message).with_expected(expected.iter().copied())
    }

    /// The current token can neither continue an operand nor stand after it.
    fn unexpected_after_operand(&self, closing: &[&str]) -> Diagnostic {
        let span = self.token.span;
        if let Kind::Compare(_) = self.token.kind {
            return Diagnostic::new(span, "comparisons cannot be chained")
                .with_help("write `a < b AND b < c`");
        }
        let operators: &[&str] =
            if self.operator().is_some() { &["`AND`", "`OR`"] } else { &["an operator"] };
        let diagnostic = self.unexpected(&[operators, closing].concat());
        let word = self.text_of(self.token);
        match self.token.kind {
            Kind::DotDot => Diagnostic::new(span, "a range can only be a member of a list")
                .with_help("write `x IN (1..3)`"),
            Kind::Word if word.eq_ignore_ascii_case("LIKE") => {
                diagnostic.with_help("write `GLOB(name, 'pattern')`, with `*` and `?` in the pattern")
            }
            Kind::Word if self.text[..span.start].ends_with('\'') => {
                diagnostic.with_help("write `''` for a quote inside a string")
            }
            Kind::Word => match suggest::nearest(word, KEYWORDS) {
                Some(keyword) => diagnostic.with_help(format!("did you mean `{keyword}`?")),
                None => diagnostic,
            },
            _ => diagnostic,
        }
    }
}

/// A node without operands.
fn leaf(expr: Expr) -> Node {
    Node { outer: expr.span, expr, height: 0, ceiling: Level::Value }
}

/// A node above operands of which the highest has a certain height.
fn node(kind: ExprKind, span: Span, height: usize) -> Parsed<Option<Node>> {
    if height == MAX_DEPTH {
        return Err(too_deep(span));
    }
    let ceiling = match kind.level() {
        Level::Compare => Level::Not,
        Level::Predicate => Level::Compare,
        level => level,
    };
    Ok(Some(Node { expr: Expr { kind, span }, outer: span, height: height + 1, ceiling }))
}

fn too_deep(span: Span) -> Box<Diagnostic> {
    Diagnostic::new(span, "this is nested too deeply")
        .with_help("write long lists of values as `x IN (…)`")
        .into()
}

/// The value of a bound of a range.
fn integer(number: &Expr) -> Parsed<i64> {
    match number.kind {
        ExprKind::Literal(Literal::Integer(value)) => Ok(value),
        _ => Err(Diagnostic::new(number.span, "the bounds of a range are integers").into()),
    }
}

/// The value of a string whose opening quote was removed.
fn unquote(text: &str) -> String {
    text.strip_suffix('\'').unwrap_or(text).replace("''", "'")
}
