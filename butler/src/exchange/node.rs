//! Small values of a file, held in memory, and what they can be read as.

use std::fmt;

use arcstr::ArcStr;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use butler_core::{
    DatasetId, DimensionValue, EncodedRegion, Error, ErrorKind, FieldType, FieldValue, Instant, Result,
    Timespan, suggest,
};

use super::scalar::{Meaning, lenient_float, meaning};

/// Place in a file: line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong at some place.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) at: At,
    pub(super) error: Error,
}

/// Result of looking at a value.
pub(super) type Found<T> = Result<T, Flaw>;

impl Flaw {
    pub(super) fn new(at: At, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { at, error: Error::new(kind, message) }
    }

    /// Of the form of the file, rather than of what it says.
    pub(super) fn form(at: At, message: impl Into<String>) -> Self {
        Self::new(at, ErrorKind::Argument, message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error = self.error.with_hint(hint);
        self
    }

    /// The error, with the file and the place in front of its message.
    pub(super) fn in_file(self, name: &str) -> Error {
        let Self { at, error } = self;
        let located = Error::new(error.kind(), format!("{name}:{at}: {}", error.message()));
        let located = match error.hint() {
            Some(hint) => located.with_hint(hint),
            None => located,
        };
        located.with_source(error)
    }
}

/// Puts an error to a place.
pub(super) fn at(at: At) -> impl Fn(Error) -> Flaw {
    move |error| Flaw { at, error }
}

/// Tag of a value, as far as export files have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// None: plain scalars mean what they look like.
    None,
    /// `!` or `!!str`: text whatever it looks like.
    Text,
    /// `!!int`, `!!float`, `!!bool`, `!!null`, `!!timestamp`, `!!map`, `!!seq`: what it looks like must be that.
    Core(&'static str),
    Binary,
    Uuid,
    Time,
    Timespan,
    Region,
    Other(String),
}

/// Tags with what follows `tag:yaml.org,2002:`.
const CORE: [&str; 7] = ["int", "float", "bool", "null", "timestamp", "map", "seq"];

/// Classes of regions.
const REGIONS: [&str; 6] = ["ConvexPolygon", "Ellipse", "Circle", "Box", "UnionRegion", "IntersectionRegion"];

impl Tag {
    pub(super) fn new(handle: &str, suffix: &str) -> Self {
        let other = || {
            Self::Other(if handle == "tag:yaml.org,2002:" {
                format!("!!{suffix}")
            } else {
                format!("{handle}{suffix}")
            })
        };
        match (handle, suffix) {
            ("", "!") | ("!", "") | ("tag:yaml.org,2002:", "str") => Self::Text,
            ("tag:yaml.org,2002:", "binary") => Self::Binary,
            ("tag:yaml.org,2002:", name) => {
                CORE.into_iter().find(|core| *core == name).map_or_else(other, Self::Core)
            }
            // Tags of Python's classes come with and without an exclamation mark of their own.
            ("!" | "", name) => match name.strip_prefix('!').unwrap_or(name) {
                "uuid" => Self::Uuid,
                "butler_time/tai/iso" => Self::Time,
                "lsst.daf.butler.Timespan" => Self::Timespan,
                name => match name.strip_prefix("lsst.sphgeom.") {
                    Some(class) if REGIONS.contains(&class) => Self::Region,
                    _ => other(),
                },
            },
            _ => other(),
        }
    }

    /// Refuses tags that mean nothing here.
    pub(super) fn check(&self, place: At) -> Found<()> {
        let Self::Other(tag) = self else { return Ok(()) };
        let flaw =
            Flaw::form(place, format!("a value with the tag '{}' cannot be understood", tag.escape_debug()));
        Err(if tag.starts_with("!!python/") {
            flaw.hint("objects of Python are not read, for they could do anything")
        } else {
            flaw
        })
    }
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) tag: Tag,
    pub(super) value: Value,
}

/// Kinds of values.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar { text: String, plain: bool },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// Key and value of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) value: Node,
}

impl Node {
    /// What a scalar means; none for lists and mappings, and for tags of their own.
    pub(super) fn meaning(&self) -> Option<Meaning<'_>> {
        match (&self.value, &self.tag) {
            (Value::Scalar { text, plain: true }, Tag::None) => Some(meaning(text)),
            (Value::Scalar { text, .. }, Tag::None | Tag::Text) => Some(Meaning::Text(text)),
            (Value::Scalar { text, .. }, Tag::Core(_)) => Some(meaning(text)),
            _ => None,
        }
    }

    /// Number of values that it consists of.
    pub(super) fn count(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
        }
    }

    /// Bytes that it takes, roughly.
    pub(super) fn size(&self) -> usize {
        let inner = match &self.value {
            Value::Scalar { text, .. } => text.len(),
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => {
                entries.iter().map(|entry| size_of::<Entry>() + entry.key.len() + entry.value.size()).sum()
            }
        };
        size_of::<Self>() + inner
    }

    pub(super) fn is_null(&self) -> bool {
        self.meaning() == Some(Meaning::Null)
    }

    /// The value in words.
    pub(super) fn describe(&self) -> String {
        let shortened = |text: &str| match text.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", text[..end].escape_debug()),
            None => text.escape_debug().to_string(),
        };
        match (&self.value, &self.tag, self.meaning()) {
            (Value::List(_), ..) => "a list".to_owned(),
            (Value::Map(_), Tag::Region, _) => "a region".to_owned(),
            (Value::Map(_), Tag::Timespan, _) => "a timespan".to_owned(),
            (Value::Map(_), ..) => "a mapping".to_owned(),
            (Value::Scalar { text, .. }, _, Some(meaning)) => match meaning {
                Meaning::Null => "null".to_owned(),
                Meaning::Bool(value) => format!("the boolean {value}"),
                Meaning::Int(_) => format!("the integer {}", shortened(text)),
                Meaning::Float(_) => format!("the float {}", shortened(text)),
                Meaning::Timestamp(_) => format!("the time {}", shortened(text)),
                Meaning::Text(_) => format!("the string '{}'", shortened(text)),
            },
            (Value::Scalar { text, .. }, Tag::Binary, None) => format!("the bytes '{}'", shortened(text)),
            (Value::Scalar { text, .. }, Tag::Uuid, None) => format!("the UUID '{}'", shortened(text)),
            (Value::Scalar { text, .. }, Tag::Time, None) => format!("the time '{}'", shortened(text)),
            (Value::Scalar { text, .. }, ..) => format!("'{}'", shortened(text)),
        }
    }

    /// What was expected instead.
    pub(super) fn unlike(&self, expected: &str) -> Flaw {
        Flaw::form(self.at, format!("expected {expected}, found {}", self.describe()))
    }

    /// What was expected instead, of a value of a field or dimension.
    fn mistyped(&self, expected: &str) -> Flaw {
        let flaw = Flaw::new(
            self.at,
            ErrorKind::DimensionValue,
            format!("expected {expected}, found {}", self.describe()),
        );
        let quotes =
            expected == "a string" && matches!(self.meaning(), Some(meaning) if meaning != Meaning::Null);
        if quotes { flaw.hint("put it in quotes") } else { flaw }
    }

    pub(super) fn text(&self) -> Found<&str> {
        match self.meaning() {
            Some(Meaning::Text(text)) => Ok(text),
            _ => Err(self.mistyped("a string")),
        }
    }

    /// Text or null.
    pub(super) fn optional_text(&self) -> Found<Option<&str>> {
        if self.is_null() { Ok(None) } else { self.text().map(Some) }
    }

    pub(super) fn int(&self) -> Found<i64> {
        match self.meaning() {
            Some(Meaning::Int(Some(value))) => Ok(value),
            _ => Err(self.mistyped("an integer of 64 bits")),
        }
    }

    pub(super) fn bool(&self) -> Found<bool> {
        match self.meaning() {
            Some(Meaning::Bool(value)) => Ok(value),
            _ => Err(self.mistyped("a boolean, true or false")),
        }
    }

    fn float(&self) -> Found<f64> {
        match self.meaning() {
            Some(Meaning::Float(value)) => Some(value),
            Some(Meaning::Int(Some(value))) => Some(value as f64),
            Some(Meaning::Text(text)) if matches!(self.value, Value::Scalar { plain: true, .. }) => {
                lenient_float(text)
            }
            _ => None,
        }
        .ok_or_else(|| self.mistyped("a number"))
    }

    fn bytes(&self) -> Found<Vec<u8>> {
        let Value::Scalar { text, .. } = &self.value else { return Err(self.mistyped("bytes")) };
        if self.tag != Tag::Binary {
            return Err(self.mistyped("bytes").hint("write them as !!binary in base64"));
        }
        let dense: String = text.split_ascii_whitespace().collect();
        BASE64.decode(dense).map_err(|error| {
            Flaw::new(
                self.at,
                ErrorKind::DimensionValue,
                format!("{} are no base64: {error}", self.describe()),
            )
        })
    }

    /// A time, or null for none.
    pub(super) fn instant(&self) -> Found<Option<Instant>> {
        let wrong =
            || self.mistyped("a time").hint("write it as !butler_time/tai/iso 'YYYY-MM-DD HH:MM:SS', in TAI");
        match (&self.value, &self.tag, self.meaning()) {
            (_, _, Some(Meaning::Null)) => Ok(None),
            (_, _, Some(Meaning::Timestamp(time))) => time.instant().map(Some).map_err(at(self.at)),
            (Value::Scalar { text, .. }, Tag::Time, _) => Instant::from_iso_tai(text)
                .map(Some)
                .map_err(|error| Flaw::new(self.at, ErrorKind::DimensionValue, error.to_string())),
            _ => Err(wrong()),
        }
    }

    /// A timespan, or null for none.
    pub(super) fn timespan(&self) -> Found<Option<Timespan>> {
        match (&self.value, &self.tag) {
            (Value::Scalar { text, .. }, Tag::Timespan) if text == "EMPTY" => Ok(Some(Timespan::EMPTY)),
            (Value::Map(entries), Tag::Timespan | Tag::None | Tag::Core("map")) => {
                let map = Map::new(self.at, entries, &["begin", "end"])?;
                timespan_between(self.at, map.required("begin")?, map.required("end")?).map(Some)
            }
            _ if self.is_null() => Ok(None),
            _ => Err(self
                .mistyped("a timespan")
                .hint("write it as !lsst.daf.butler.Timespan with begin and end, or EMPTY")),
        }
    }

    fn region(&self) -> Found<EncodedRegion> {
        let (Value::Map(entries), Tag::Region) = (&self.value, &self.tag) else {
            return Err(self
                .mistyped("a region")
                .hint("write it as !<lsst.sphgeom.ConvexPolygon> with its encoding"));
        };
        let encoded = Map::new(self.at, entries, &["encoded"])?.required("encoded")?;
        // Digits alone look like a number.
        let Value::Scalar { text, .. } = &encoded.value else {
            return Err(encoded.mistyped("hexadecimal digits"));
        };
        match FieldValue::from_text(FieldType::Region, text) {
            Ok(FieldValue::Region(region)) if !text.contains(' ') => {
                region.decode().map_err(at(encoded.at))?;
                Ok(region)
            }
            _ => Err(encoded.mistyped("hexadecimal digits of a region")),
        }
    }

    /// Value of a field of some type; null is none whatever the type.
    pub(super) fn field(&self, ty: FieldType) -> Found<FieldValue> {
        if self.is_null() {
            return Ok(FieldValue::Null);
        }
        Ok(match ty {
            FieldType::Int => self.int()?.into(),
            FieldType::Float => self.float()?.into(),
            FieldType::Bool => self.bool()?.into(),
            FieldType::Text(_) => self.text()?.into(),
            FieldType::Hash(_) => FieldValue::Hash(self.bytes()?.into()),
            FieldType::Region => self.region()?.into(),
            FieldType::Timespan => self.timespan()?.into(),
        })
    }

    /// Value of a dimension with a key of some type.
    pub(super) fn dimension_value(&self, ty: FieldType) -> Found<DimensionValue> {
        match ty {
            FieldType::Int => self.int().map(Into::into),
            _ => self.text().map(Into::into),
        }
    }

    /// A dataset's id: a UUID, or an integer in files from before UUIDs.
    pub(super) fn dataset_id(&self) -> Found<DatasetId> {
        let text = match (&self.value, &self.tag, self.meaning()) {
            (Value::Scalar { text, .. }, Tag::Uuid, _) => text,
            (_, _, Some(Meaning::Int(Some(id)))) => return Ok(DatasetId::from_legacy_integer(id)),
            (_, _, Some(Meaning::Text(text))) => text,
            _ => return Err(self.unlike("the id of a dataset, such as !uuid '…'")),
        };
        text.parse().map_err(at(self.at))
    }

    /// A list of texts.
    pub(super) fn texts(&self) -> Found<Vec<ArcStr>> {
        match &self.value {
            Value::List(items) => items.iter().map(|item| item.text().map(Into::into)).collect(),
            _ => Err(self.unlike("a list of names")),
        }
    }
}

/// The timespan between two times, each of which may be null.
pub(super) fn timespan_between(place: At, begin: &Node, end: &Node) -> Found<Timespan> {
    let (begin, end) = (begin.instant()?, end.instant()?);
    match (begin, end) {
        (Some(first), Some(last)) if last < first => Err(Flaw::new(
            place,
            ErrorKind::DimensionValue,
            format!("the timespan ends at {last}, before it begins at {first}"),
        )),
        _ => Ok(Timespan::new(begin, end)),
    }
}

/// Entries of a mapping, each key at most once and none unknown.
pub(super) struct Map<'a> {
    at: At,
    entries: &'a [Entry],
}

impl<'a> Map<'a> {
    pub(super) fn new(place: At, entries: &'a [Entry], known: &[&str]) -> Found<Self> {
        for (index, entry) in entries.iter().enumerate() {
            if !known.contains(&entry.key.as_str()) {
                return Err(unknown_key(entry.at, &entry.key, known));
            }
            if entries[..index].iter().any(|earlier| earlier.key == entry.key) {
                return Err(twice(entry.at, &entry.key));
            }
        }
        Ok(Self { at: place, entries })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub(super) fn required(&self, key: &str) -> Found<&'a Node> {
        self.get(key).ok_or_else(|| Flaw::form(self.at, format!("a value for '{key}' is missing here")))
    }
}

/// A key that means nothing here.
pub(super) fn unknown_key(place: At, key: &str, known: &[&str]) -> Flaw {
    let flaw = Flaw::form(place, format!("'{}' means nothing here", key.escape_debug()));
    match suggest::nearest(key, known.iter().copied()) {
        Some(near) => flaw.hint(format!("did you mean '{near}'?")),
        None => flaw.hint(format!("there may be {}", known.join(", "))),
    }
}

/// A key that was there before.
pub(super) fn twice(place: At, key: &str) -> Flaw {
    Flaw::form(place, format!("'{}' is given twice", key.escape_debug()))
}
