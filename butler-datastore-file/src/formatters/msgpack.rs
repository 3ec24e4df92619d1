//! MessagePack.

use std::fmt;
use std::io::Write;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};

use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
    Structured,
};

use super::{STRUCTURED, unwritable, write_all};

/// Levels of lists and maps: as many as JSON may have.
const DEPTH: usize = 128;

/// Items for which room is made before they are seen.
const CAUTION: usize = 4096;

/// Formatter `msgpack`.
#[derive(Debug)]
pub(super) struct MessagePack;

impl Formatter for MessagePack {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn extension(&self) -> &'static str {
        ".msgpack"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        STRUCTURED
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let mut rest: &[u8] = &bytes;
        let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
        deserializer.set_max_depth(DEPTH);
        let malformed = |problem: &dyn fmt::Display| {
            Error::new(ErrorKind::Formatter, format!("no valid MessagePack: {problem}"))
        };
        let value =
            Value.deserialize(&mut deserializer).map_err(|error| malformed(&error).with_source(error))?;
        if !rest.is_empty() {
            return Err(malformed(&format!("{} bytes follow the value", rest.len())));
        }
        Ok(Object::new(value).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let value: &Structured = object.downcast_ref()?;
        let mut bytes = Vec::with_capacity(256);
        let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        value.serialize(&mut serializer).map_err(|error| unwritable("MessagePack", &error))?;
        write_all(sink, &bytes)
    }
}

/// Reads structured data, and refuses what that cannot hold.
struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Structured;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Structured, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Structured;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("maps with text as keys, lists, text, numbers, booleans and nil")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Structured, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Structured, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Structured, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Structured, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Structured::Number).ok_or_else(|| E::custom(format!("{value} is no finite number")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Structured, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Structured, E> {
        Ok(Structured::Null)
    }

    fn visit_none<E>(self) -> Result<Structured, E> {
        Ok(Structured::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Structured, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0).min(CAUTION));
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Structured, A::Error> {
        let mut map = serde_json::Map::new();
        while let Some(key) = items.next_key::<String>()? {
            let value = items.next_value_seed(Self)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key '{}' comes twice", key.escape_debug())));
            }
            map.insert(key, value);
        }
        Ok(map.into())
    }
}
