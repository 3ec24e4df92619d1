//! Headers: cards of 80 characters with a keyword and a value.

use butler_core::{ReadSource, Result, Structured};

use super::{BLOCK, malformed};

/// Characters of a card.
const CARD: usize = 80;

/// Blocks that a header may have.
const BLOCKS: u64 = 1000;

/// Axes that there may be.
const AXES: i64 = 999;

/// Keywords, which may come several times, and values in order.
#[derive(Debug)]
pub(super) struct Header {
    cards: Vec<(String, Structured)>,
}

impl Header {
    /// Reads the header at an offset; gives where its data begin, too.
    pub(super) fn read(source: &mut dyn ReadSource, at: u64, is_first: bool) -> Result<(Self, u64)> {
        let mut cards: Vec<(String, Structured)> = Vec::new();
        for number in 0..BLOCKS {
            let begin = at + number * BLOCK as u64;
            let block = source.read_range(begin, BLOCK as u64)?;
            if block.len() < BLOCK {
                return Err(malformed("a header is cut short"));
            }
            for card in block.chunks_exact(CARD) {
                if card.iter().any(|byte| !(b' '..=b'~').contains(byte)) {
                    return Err(malformed(format!(
                        "a header at {begin} has characters that it must not have"
                    )));
                }
                let card = String::from_utf8_lossy(card);
                let first = cards.is_empty();
                let begins = if is_first { "SIMPLE  =" } else { "XTENSION=" };
                if first && !card.starts_with(begins) {
                    return Err(malformed(format!("a header at {begin} does not begin as one")));
                }
                if card.trim_end() == "END" {
                    return Ok((Self { cards }, begin + BLOCK as u64));
                }
                let (key, value) = parse(&card);
                continue_text(&mut cards, key, value);
            }
        }
        Err(malformed("a header does not end"))
    }

    fn get(&self, key: &str) -> Option<&Structured> {
        self.cards.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// A text, without blanks at its end.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Structured::as_str).map(str::trim_end)
    }

    /// An integer that may be there.
    pub(super) fn optional_integer(&self, key: &str) -> Result<Option<i64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => {
                value.as_i64().map(Some).ok_or_else(|| malformed(format!("{key} is {value}, and no integer")))
            }
        }
    }

    /// An integer that must be there.
    pub(super) fn integer(&self, key: &str) -> Result<i64> {
        self.optional_integer(key)?.ok_or_else(|| malformed(format!("it lacks {key}")))
    }

    /// A number that may be there.
    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| malformed(format!("{key} is {value}, and no number")))
            }
        }
    }

    /// Lengths of the axes, the one that runs fastest first.
    pub(super) fn axes(&self) -> Result<Vec<u64>> {
        let count = self.integer("NAXIS")?;
        if !(0..=AXES).contains(&count) {
            return Err(malformed(format!("NAXIS is {count}")));
        }
        let length = |axis| {
            let length = self.integer(&format!("NAXIS{axis}"))?;
            u64::try_from(length).map_err(|_| malformed(format!("NAXIS{axis} is {length}")))
        };
        (1..=count).map(length).collect()
    }

    /// Number of bytes of the data.
    pub(super) fn data_size(&self) -> Result<u64> {
        let axes = self.axes()?;
        if axes.is_empty() {
            return Ok(0);
        }
        let of = |key, default| {
            let value = self.optional_integer(key)?.unwrap_or(default);
            u64::try_from(value).map_err(|_| malformed(format!("{key} is {value}")))
        };
        let (parameters, groups) = (of("PCOUNT", 0)?, of("GCOUNT", 1)?);
        let bytes = self.integer("BITPIX")?.unsigned_abs() / 8;
        let values = axes.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
        let size = values
            .and_then(|values| values.checked_add(parameters))
            .and_then(|values| values.checked_mul(groups))
            .and_then(|values| values.checked_mul(bytes));
        size.ok_or_else(|| malformed(format!("the axes {axes:?} are too long")))
    }

    /// Values by keyword; those of comments and the like are lists.
    pub(super) fn to_structured(&self) -> Structured {
        let mut map = serde_json::Map::new();
        for (key, value) in &self.cards {
            match key.as_str() {
                "" => {}
                "COMMENT" | "HISTORY" => {
                    let list = map.entry(key.clone()).or_insert_with(|| Structured::Array(Vec::new()));
                    if let Structured::Array(list) = list {
                        list.push(value.clone());
                    }
                }
                _ => drop(map.entry(key.clone()).or_insert_with(|| value.clone())),
            }
        }
        Structured::Object(map)
    }
}

/// Adds a card; the text of one that continues another is joined to that.
fn continue_text(cards: &mut Vec<(String, Structured)>, key: String, value: Structured) {
    if key == "CONTINUE"
        && let (Some((_, Structured::String(text))), Structured::String(more)) = (cards.last_mut(), &value)
        && text.ends_with('&')
    {
        text.pop();
        text.push_str(more);
        return;
    }
    cards.push((key, value));
}

/// Keyword and value of a card; what is no value is text.
fn parse(card: &str) -> (String, Structured) {
    let hierarchical = card.strip_prefix("HIERARCH ").and_then(|rest| rest.split_once('='));
    let (key, rest) = match hierarchical {
        Some((key, rest)) => (key.trim().to_owned(), Some(rest)),
        None => {
            let (key, rest) = card.split_at(8);
            let value =
                rest.strip_prefix("= ").or_else(|| rest.strip_prefix("  ").filter(|_| key == "CONTINUE"));
            (key.trim_end().to_owned(), value)
        }
    };
    match rest {
        None => (key, card[8..].trim_end().into()),
        Some(rest) => (key, value(rest.trim())),
    }
}

fn value(text: &str) -> Structured {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (mut value, mut rest) = (String::new(), quoted);
        while let Some((before, after)) = rest.split_once('\'') {
            value.push_str(before);
            match after.strip_prefix('\'') {
                Some(after) => {
                    value.push('\'');
                    rest = after;
                }
                None => return value.trim_end().into(),
            }
        }
        return (value + rest).trim_end().into();
    }
    let text = text.split('/').next().unwrap_or_default().trim();
    match text {
        "T" => true.into(),
        "F" => false.into(),
        "" => Structured::Null,
        _ => {
            let float =
                || text.replace(['D', 'd'], "E").parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            let integer = text.parse::<i64>().map(Structured::from).ok();
            let unsigned = || text.parse::<u64>().map(Structured::from).ok();
            let number = integer.or_else(unsigned).or_else(|| float().map(Structured::Number));
            number.unwrap_or_else(|| text.into())
        }
    }
}
