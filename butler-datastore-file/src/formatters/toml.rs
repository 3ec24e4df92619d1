//! TOML.

use std::io::Write;

use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
    Structured,
};

use super::{STRUCTURED, malformed, place, unwritable, utf8, write_all};

/// Formatter `toml`.
#[derive(Debug)]
pub(super) struct Toml;

impl Formatter for Toml {
    fn name(&self) -> &'static str {
        "toml"
    }

    fn extension(&self) -> &'static str {
        ".toml"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        STRUCTURED
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let table: toml::Table = utf8("TOML", &bytes)?.parse().map_err(|error: toml::de::Error| {
            let (line, column) = place(&bytes, error.span().map_or(0, |span| span.start));
            malformed("TOML", line, column, error.message().trim())
        })?;
        Ok(Object::new(structured(toml::Value::Table(table))?).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let Structured::Object(_) = object.downcast_ref()? else {
            return Err(Error::new(ErrorKind::Formatter, "TOML holds a table, not a single value or list"));
        };
        let value = table(object.downcast_ref()?, "")?;
        let text = toml::to_string(&value).map_err(|error| unwritable("TOML", &error))?;
        write_all(sink, text.as_bytes())
    }
}

fn structured(value: toml::Value) -> Result<Structured> {
    Ok(match value {
        toml::Value::String(text) => Structured::String(text),
        toml::Value::Integer(value) => Structured::from(value),
        toml::Value::Float(value) => {
            serde_json::Number::from_f64(value).map(Structured::Number).ok_or_else(|| {
                Error::new(ErrorKind::Formatter, format!("structured data cannot hold the float {value}"))
            })?
        }
        toml::Value::Boolean(value) => Structured::Bool(value),
        toml::Value::Datetime(time) => Structured::String(time.to_string()),
        toml::Value::Array(items) => {
            Structured::Array(items.into_iter().map(structured).collect::<Result<_>>()?)
        }
        toml::Value::Table(table) => Structured::Object(
            table.into_iter().map(|(key, value)| Ok((key, structured(value)?))).collect::<Result<_>>()?,
        ),
    })
}

fn table(value: &Structured, path: &str) -> Result<toml::Value> {
    let refuse = |what: &str| {
        Err(Error::new(
            ErrorKind::Formatter,
            format!("TOML cannot hold {what}, which is the value of '{path}'"),
        ))
    };
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    Ok(match value {
        Structured::Null => return refuse("null"),
        Structured::Bool(value) => toml::Value::Boolean(*value),
        Structured::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => toml::Value::Integer(value),
            (None, Some(value)) if number.is_f64() => toml::Value::Float(value),
            _ => return refuse(&format!("the integer {number}")),
        },
        Structured::String(text) => toml::Value::String(text.clone()),
        Structured::Array(items) => toml::Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(i, item)| table(item, &format!("{path}[{i}]")))
                .collect::<Result<_>>()?,
        ),
        Structured::Object(map) => toml::Value::Table(
            map.iter()
                .map(|(key, value)| Ok((key.clone(), table(value, &inner(key))?)))
                .collect::<Result<_>>()?,
        ),
    })
}
