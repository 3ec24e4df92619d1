//! The events of a YAML document, one after the other.

use std::rc::Rc;

use butler_core::{Error, ErrorKind, Result};
use rustc_hash::FxHashMap;
use saphyr_parser::{BufferedInput, Event as Raw, Marker, Parser, ScalarStyle, Tag as RawTag};

use super::node::{At, Entry, Flaw, Found, Node, Tag, Value};
use super::source::{Chars, Failure, Progress, Source, io_error};

/// Lists and mappings within each other, at most; an export has seven.
const MAX_DEPTH: usize = 24;

/// Values in a part of a file that is held in memory, at most.
const MAX_NODES: usize = 20_000;

/// Bytes of values that aliases may repeat, at most.
const MAX_ANCHORED: usize = 128 << 20;

/// A step through a document.
#[derive(Debug)]
pub(super) enum Event {
    /// A scalar, or a small value that an alias repeats.
    Node(Node),
    ListStart(Tag),
    ListEnd,
    MapStart(Tag),
    MapEnd,
    /// End of the file.
    End,
}

/// Reads a file event by event.
pub(super) struct Events<'a> {
    parser: Parser<'a, BufferedInput<Chars<'a>>>,
    progress: Rc<Progress>,
    name: String,
    documents: usize,
    depth: usize,
    /// Anchor of the list or mapping that began last; 0 for none.
    anchor: usize,
    anchors: FxHashMap<usize, Node>,
    /// Bytes of what `anchors` holds.
    anchored: usize,
}

impl<'a> Events<'a> {
    /// Events of a source, from its beginning.
    pub(super) fn new(source: &'a mut Source) -> Result<Self> {
        let name = source.name().to_owned();
        let (chars, progress) = source.chars()?;
        Ok(Self {
            parser: Parser::new(BufferedInput::new(chars)),
            progress,
            name,
            documents: 0,
            depth: 0,
            anchor: 0,
            anchors: FxHashMap::default(),
            anchored: 0,
        })
    }

    /// Bytes that were read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.progress.bytes()
    }

    /// The error that a flaw is in this file.
    pub(super) fn locate(&self, flaw: Flaw) -> Error {
        flaw.in_file(&self.name)
    }

    /// What was found, with flaws as errors of this file.
    pub(super) fn located<T>(&self, found: Found<T>) -> Result<T> {
        found.map_err(|flaw| self.locate(flaw))
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<(Event, At)> {
        loop {
            let raw = self.parser.next_event();
            // What the parser makes of a text that ended early is not looked at.
            if let Some(failure) = self.progress.take_failure() {
                return Err(self.failed(failure));
            }
            self.progress.event();
            let Some(raw) = raw else { return Ok((Event::End, At::default())) };
            let (raw, span) = raw.map_err(|error| {
                let message = format!("this is no valid YAML: {}", error.info());
                self.locate(Flaw::form(place(error.marker()), message))
            })?;
            let at = place(&span.start);
            match self.step(raw, at) {
                Ok(Some(event)) => return Ok((event, at)),
                Ok(None) => {}
                Err(flaw) => return Err(self.locate(flaw)),
            }
        }
    }

    fn step(&mut self, raw: Raw<'_>, at: At) -> Found<Option<Event>> {
        Ok(Some(match raw {
            Raw::Nothing | Raw::StreamStart | Raw::DocumentEnd => return Ok(None),
            Raw::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Flaw::form(at, "another document begins here; an export is one document"));
                }
                return Ok(None);
            }
            Raw::StreamEnd => Event::End,
            Raw::SequenceEnd => self.leave(Event::ListEnd),
            Raw::MappingEnd => self.leave(Event::MapEnd),
            Raw::SequenceStart(anchor, tag) => Event::ListStart(self.enter(anchor, tag.as_deref(), at)?),
            Raw::MappingStart(anchor, tag) => Event::MapStart(self.enter(anchor, tag.as_deref(), at)?),
            Raw::Scalar(text, style, anchor, tag) => {
                let tag = checked_tag(tag.as_deref(), at)?;
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let node = Node { at, tag, value };
                self.remember(anchor, &node)?;
                Event::Node(node)
            }
            Raw::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => Event::Node(Node { at, ..node.clone() }),
                None => {
                    return Err(Flaw::form(
                        at,
                        "an alias repeats a part of the file that is too large for it",
                    ));
                }
            },
        }))
    }

    fn enter(&mut self, anchor: usize, tag: Option<&RawTag>, at: At) -> Found<Tag> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Flaw::form(
                at,
                format!("more than {MAX_DEPTH} lists and mappings are within each other"),
            ));
        }
        self.anchor = anchor;
        checked_tag(tag, at)
    }

    fn leave(&mut self, event: Event) -> Event {
        self.depth = self.depth.saturating_sub(1);
        event
    }

    /// Keeps a value that has an anchor, for aliases.
    fn remember(&mut self, anchor: usize, node: &Node) -> Found<()> {
        if anchor == 0 {
            return Ok(());
        }
        self.anchored += size_of::<usize>() + node.size();
        if self.anchored > MAX_ANCHORED {
            return Err(Flaw::new(node.at, ErrorKind::Exhausted, "there are too many anchors in this file"));
        }
        self.anchors.insert(anchor, node.clone());
        Ok(())
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Io(error) => io_error(&self.name, error),
            Failure::NotText(line) => self.locate(
                Flaw::form(At { line, column: 1 }, "this line is no text of UTF-8")
                    .hint("an export is a text in UTF-8"),
            ),
            Failure::TooLong(line) => self.locate(Flaw::new(
                At { line, column: 1 },
                ErrorKind::Exhausted,
                "a value that ends here, or a list or mapping in brackets that is a key, is too long",
            )),
        }
    }

    /// A small value: what is next, as a whole.
    pub(super) fn node(&mut self) -> Result<Node> {
        let (event, at) = self.next()?;
        self.build(event, at)
    }

    /// A small value that begins with an event.
    pub(super) fn build(&mut self, event: Event, at: At) -> Result<Node> {
        let mut left = MAX_NODES;
        self.build_within(event, at, &mut left)
    }

    fn build_within(&mut self, event: Event, at: At, left: &mut usize) -> Result<Node> {
        let anchor = self.anchor;
        let (tag, value) = match event {
            Event::Node(node) => {
                self.spend(left, node.count(), at)?;
                return Ok(node);
            }
            Event::ListStart(tag) => {
                let mut items = Vec::new();
                while let Some((event, at)) = self.next_item()? {
                    items.push(self.build_within(event, at, left)?);
                }
                (tag, Value::List(items))
            }
            Event::MapStart(tag) => {
                let mut entries = Vec::new();
                while let Some((key, key_at)) = self.next_key()? {
                    let (event, at) = self.next()?;
                    let value = self.build_within(event, at, left)?;
                    entries.push(Entry { key, at: key_at, value });
                }
                (tag, Value::Map(entries))
            }
            Event::ListEnd | Event::MapEnd | Event::End => return Err(self.unexpected(&event, at, "a value")),
        };
        self.spend(left, 1, at)?;
        let node = Node { at, tag, value };
        let remembered = self.remember(anchor, &node);
        self.located(remembered)?;
        Ok(node)
    }

    fn spend(&self, left: &mut usize, count: usize, at: At) -> Result<()> {
        *left = left.checked_sub(count).ok_or_else(|| {
            self.locate(Flaw::form(at, format!("more than {MAX_NODES} values are in one here")))
        })?;
        Ok(())
    }

    /// Passes over a value that begins with an event.
    pub(super) fn skip(&mut self, event: &Event) -> Result<()> {
        let mut open = match event {
            Event::ListStart(_) | Event::MapStart(_) => 1,
            _ => 0,
        };
        while open > 0 {
            match self.next()?.0 {
                Event::ListStart(_) | Event::MapStart(_) => open += 1,
                Event::ListEnd | Event::MapEnd => open -= 1,
                Event::Node(_) => {}
                Event::End => return Ok(()),
            }
        }
        Ok(())
    }

    /// Key of the next entry of a mapping; none at its end.
    pub(super) fn next_key(&mut self) -> Result<Option<(String, At)>> {
        let (event, at) = self.next()?;
        match event {
            Event::MapEnd => Ok(None),
            Event::Node(Node { value: Value::Scalar { text, .. }, .. }) => Ok(Some((text, at))),
            other => Err(self.unexpected(&other, at, "a key")),
        }
    }

    /// Beginning of the next item of a list; none at its end.
    pub(super) fn next_item(&mut self) -> Result<Option<(Event, At)>> {
        let (event, at) = self.next()?;
        match event {
            Event::ListEnd => Ok(None),
            Event::MapEnd | Event::End => Err(self.unexpected(&event, at, "an item")),
            event => Ok(Some((event, at))),
        }
    }

    /// Begins a list; false if there is null instead.
    pub(super) fn begin_list(&mut self, what: &str) -> Result<bool> {
        let (event, at) = self.next()?;
        match event {
            Event::ListStart(_) => Ok(true),
            Event::Node(node) if node.is_null() => Ok(false),
            other => Err(self.unexpected(&other, at, what)),
        }
    }

    /// Begins a mapping.
    pub(super) fn begin_map(&mut self, what: &str) -> Result<At> {
        let (event, at) = self.next()?;
        match event {
            Event::MapStart(_) => Ok(at),
            other => Err(self.unexpected(&other, at, what)),
        }
    }

    /// The error that something else was expected than an event.
    pub(super) fn unexpected(&self, event: &Event, at: At, expected: &str) -> Error {
        let found = match event {
            Event::Node(node) => node.describe(),
            Event::ListStart(_) => "a list".to_owned(),
            Event::MapStart(_) => "a mapping".to_owned(),
            Event::ListEnd => "the end of a list".to_owned(),
            Event::MapEnd => "the end of a mapping".to_owned(),
            Event::End => "the end of the file".to_owned(),
        };
        self.locate(Flaw::form(at, format!("expected {expected}, found {found}")))
    }
}

fn place(marker: &Marker) -> At {
    At { line: marker.line(), column: marker.col() + 1 }
}

fn checked_tag(tag: Option<&RawTag>, at: At) -> Found<Tag> {
    let tag = tag.map_or(Tag::None, |tag| Tag::new(&tag.handle, &tag.suffix));
    tag.check(at)?;
    Ok(tag)
}
