//! Timespans as text, and serialised.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Instant, Timespan};
use crate::time::TimeParseError;

const EMPTY: &str = "empty";

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("(empty)");
        }
        match self.begin() {
            Some(begin) => write!(f, "[{begin}, ")?,
            None => f.write_str("(-∞, ")?,
        }
        match self.end() {
            Some(end) => write!(f, "{end})"),
            None => f.write_str("∞)"),
        }
    }
}

impl FromStr for Timespan {
    type Err = TimeParseError;

    fn from_str(text: &str) -> Result<Self, TimeParseError> {
        let Some((begin, end)) = text.split_once('/') else {
            let message = format!("timespan '{text}' needs a slash: BEGIN/END, either of which may be empty");
            return Err(TimeParseError::new(text.len(), message));
        };
        let bound = |text: &str| (!text.is_empty()).then(|| Instant::from_iso_tai(text)).transpose();
        let after = begin.len() + 1;
        Ok(Self::new(bound(begin)?, bound(end).map_err(|e| e.shifted(after))?))
    }
}

impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.to_raw().serialize(serializer);
        }
        if self.is_empty() {
            return serializer.serialize_str(EMPTY);
        }
        let mut object = serializer.serialize_struct("Timespan", 2)?;
        object.serialize_field("begin", &self.begin())?;
        object.serialize_field("end", &self.end())?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Readable)
        } else {
            let (begin, end) = <(i64, i64)>::deserialize(deserializer)?;
            Ok(Self::from_raw(begin, end))
        }
    }
}

/// Both members are required, though each may be null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    #[serde(deserialize_with = "Option::deserialize")]
    begin: Option<Instant>,
    #[serde(deserialize_with = "Option::deserialize")]
    end: Option<Instant>,
}

struct Readable;

impl<'de> Visitor<'de> for Readable {
    type Value = Timespan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timespan, {\"begin\": …, \"end\": …} or \"empty\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timespan, E> {
        match text {
            EMPTY => Ok(Timespan::EMPTY),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Timespan, A::Error> {
        let Bounds { begin, end } = Bounds::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Timespan::new(begin, end))
    }
}
