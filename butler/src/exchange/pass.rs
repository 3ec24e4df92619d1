//! One pass through a file.

mod bodies;

use arcstr::ArcStr;
use butler_core::{
    CollectionType, DatasetType, DimensionElement, DimensionUniverse, Error, ErrorKind, Result, suggest,
};

use super::block::{BODIES, Block, Body, Kind};
use super::events::{Event, Events};
use super::facts::Facts;
use super::file::Known;
use super::header::{Header, Top};
use super::item::{ExportedCollection, Item};
use super::migrate::Migration;
use super::node::{At, Entry, Flaw, Found, twice};
use super::source::Source;

/// Which items of a file are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    All,
    /// Records of one element.
    Records(DimensionElement),
    /// Datasets.
    Datasets,
    /// Members of tagged and calibration collections.
    Associations,
}

/// Takes an item, and the number of bytes that were read so far.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Item, u64) -> Result<()>;

/// How a pass is made.
pub(super) struct Plan<'a> {
    pub(super) known: &'a Known,
    pub(super) part: Part,
    /// Whether what cannot be read yet is noted, rather than an error.
    pub(super) learning: bool,
}

/// A pass through a file.
pub(super) struct Pass<'a> {
    events: Events<'a>,
    plan: &'a Plan<'a>,
    facts: &'a mut Facts,
    sink: Sink<'a>,
    /// What the file says of itself, as far as that is known.
    header: Header,
    migration: Migration,
    /// Place in the order of what refers to what.
    stage: (u8, Option<DimensionElement>),
}

/// Reads the header alone.
pub(super) fn read_header(source: &mut Source) -> Result<Header> {
    let mut events = Events::new(source)?;
    let at = events.begin_map("an export, a mapping")?;
    let mut top = Top::default();
    while let Some((key, key_at)) = events.next_key()? {
        events.located(top.key(key_at, &key))?;
        if key == "data" {
            let (event, _) = events.next()?;
            events.skip(&event)?;
        } else {
            let node = events.node()?;
            events.located(top.value(&key, &node))?;
        }
    }
    events.located(top.finish(at))
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        source: &'a mut Source,
        plan: &'a Plan<'a>,
        facts: &'a mut Facts,
        sink: Sink<'a>,
    ) -> Result<Self> {
        facts.ordered = true;
        Ok(Self {
            events: Events::new(source)?,
            plan,
            facts,
            sink,
            header: Header::default(),
            migration: Migration::default(),
            stage: (0, None),
        })
    }

    fn universe(&self) -> DimensionUniverse {
        self.plan.known.universe()
    }

    /// Reads the file.
    pub(super) fn run(mut self) -> Result<()> {
        let at = self.events.begin_map("an export, a mapping")?;
        let mut top = Top::default();
        while let Some((key, key_at)) = self.events.next_key()? {
            self.events.located(top.key(key_at, &key))?;
            if key == "data" {
                self.header = self.facts.header.clone().unwrap_or_else(|| top.header().clone());
                self.facts.assumed = Some(self.header.clone());
                self.refuse_newer()?;
                self.migration = Migration::new(&self.header, self.universe());
                let known = self.plan.known.instruments().chain(&self.facts.instruments);
                self.migration.instruments =
                    known.map(|(name, class)| (name.clone(), class.clone())).collect();
                self.blocks()?;
            } else {
                let node = self.events.node()?;
                self.events.located(top.value(&key, &node))?;
            }
        }
        let (event, event_at) = self.events.next()?;
        if !matches!(event, Event::End) {
            return Err(self.events.unexpected(&event, event_at, "the end of the file"));
        }
        let header = self.events.located(top.finish(at))?;
        self.events.located(self.facts.check_mentions())?;
        self.facts.take_instruments(self.migration);
        self.facts.header = Some(header);
        Ok(())
    }

    fn blocks(&mut self) -> Result<()> {
        if !self.events.begin_list("a list of blocks")? {
            return Ok(());
        }
        let mut position = 0;
        while let Some((event, at)) = self.events.next_item()? {
            if !matches!(event, Event::MapStart(_)) {
                return Err(self.events.unexpected(&event, at, "a block, a mapping"));
            }
            self.block(position, at)?;
            position += 1;
        }
        Ok(())
    }

    fn block(&mut self, position: usize, at: At) -> Result<()> {
        let mut block = Block::new(at);
        let mut late = false;
        while let Some((key, key_at)) = self.events.next_key()? {
            if !BODIES.contains(&key.as_str()) {
                let value = self.events.node()?;
                self.events.located(block.insert(Entry { key, at: key_at, value }))?;
                continue;
            }
            if block.body.is_some() {
                return Err(self.events.locate(twice(key_at, &key)));
            }
            block.body = Some((key, key_at));
            let told = match self.facts.late.get(&position) {
                Some(known) => Some(known.clone()),
                None => block.tells_body().then(|| block.clone()),
            };
            late = match told {
                Some(told) => !self.body(&told)?,
                None => true,
            };
            if late {
                let (event, _) = self.events.next()?;
                self.events.skip(&event)?;
            }
        }
        self.events.located(block.check_keys())?;
        self.fitting(block.body(self.universe()))?;
        self.described(&block)?;
        if late {
            self.facts.late.insert(position, block);
        }
        Ok(())
    }

    /// Reads the long list of a block; false if it cannot be read yet.
    fn body(&mut self, block: &Block) -> Result<bool> {
        let Some(body) = self.fitting(block.body(self.universe()))? else { return Ok(true) };
        let part = self.plan.part;
        match body {
            Body::Records(element) => {
                self.arrive((0, Some(element)));
                // Records may follow from those of another element.
                let wanted = match part {
                    Part::Records(wanted) => element == wanted || self.migration.is_needed(),
                    other => other == Part::All,
                };
                if wanted { self.records(element)? } else { self.pass_over()? }
            }
            Body::Datasets(name, run) => {
                self.arrive((1, None));
                self.mention(&run, Some(CollectionType::Run), block.place("run"))?;
                if !matches!(part, Part::All | Part::Datasets) {
                    self.pass_over()?;
                    return Ok(true);
                }
                let known =
                    self.facts.dataset_types.get(&name).or_else(|| self.plan.known.dataset_type(&name));
                match known.cloned() {
                    Some(dataset_type) => self.datasets(&dataset_type, &run)?,
                    None if self.plan.learning => return Ok(false),
                    None => return Err(self.missing_type(&name, block)),
                }
            }
            Body::Tags(collection) => {
                self.arrive((2, None));
                self.mention(&collection, Some(CollectionType::Tagged), block.place("collection"))?;
                if matches!(part, Part::All | Part::Associations) {
                    self.tags(&collection)?;
                } else {
                    self.pass_over()?;
                }
            }
            Body::Validity(collection) => {
                self.arrive((2, None));
                self.mention(&collection, Some(CollectionType::Calibration), block.place("collection"))?;
                if matches!(part, Part::All | Part::Associations) {
                    self.validity(&collection)?;
                } else {
                    self.pass_over()?;
                }
            }
        }
        Ok(true)
    }

    fn arrive(&mut self, stage: (u8, Option<DimensionElement>)) {
        if stage < self.stage {
            self.facts.ordered = false;
        }
        self.stage = stage;
    }

    fn pass_over(&mut self) -> Result<()> {
        let (event, _) = self.events.next()?;
        self.events.skip(&event)
    }

    /// Takes note of what a block without a long list says.
    fn described(&mut self, block: &Block) -> Result<()> {
        match self.events.located(block.kind())? {
            Kind::Collection | Kind::Run => {
                let collection = self.events.located(block.collection())?;
                for child in &collection.children {
                    self.mention(child, None, block.place("children"))?;
                }
                self.collection(collection, block)
            }
            Kind::DatasetType => {
                let found = block.dataset_type(self.universe(), &self.migration);
                let dataset_type = self.fitting(found)?;
                self.dataset_type(dataset_type, block)
            }
            Kind::Dimension | Kind::Dataset | Kind::Associations => Ok(()),
        }
    }

    fn collection(&mut self, collection: ExportedCollection, block: &Block) -> Result<()> {
        let noted = self.facts.note_collection(&collection, block.place("name"));
        self.events.located(noted)?;
        self.give(Item::Collection(collection))
    }

    fn dataset_type(&mut self, dataset_type: DatasetType, block: &Block) -> Result<()> {
        let registered = self.plan.known.dataset_type(dataset_type.name());
        // Files do not tell the kind.
        let dataset_type = match registered {
            Some(registered) => dataset_type.with_kind(registered.kind()),
            None => dataset_type,
        };
        let earlier = self.facts.dataset_types.get(dataset_type.name());
        for (known, place) in [(registered, "in the repository"), (earlier, "earlier in the file")] {
            let differences = known.map(|known| dataset_type.differences(known)).unwrap_or_default();
            if !differences.is_empty() {
                let message = format!(
                    "dataset type '{}' is another one {place}: {}",
                    dataset_type.name(),
                    differences.join(", ")
                );
                let kind = ErrorKind::ConflictingDefinition;
                return Err(self.events.locate(Flaw::new(block.place("name"), kind, message)));
            }
        }
        self.facts.dataset_types.insert(dataset_type.name().clone(), dataset_type.clone());
        self.give(Item::DatasetType(dataset_type))
    }

    fn missing_type(&self, name: &str, block: &Block) -> Error {
        let flaw = Flaw::new(
            block.place("dataset_type"),
            ErrorKind::MissingDatasetType,
            format!("dataset type '{}' is neither in this file nor registered", name.escape_debug()),
        );
        let known = self.facts.dataset_types.keys().map(ArcStr::as_str);
        let near = suggest::nearest(name, known.chain(self.plan.known.dataset_type_names()));
        self.events.locate(match near {
            Some(near) => flaw.hint(format!("did you mean '{near}'?")),
            None => flaw,
        })
    }

    /// Older dimensions are understood; nobody knows what newer ones mean.
    fn refuse_newer(&self) -> Result<()> {
        let universe = self.universe();
        let Header { universe_namespace, universe_version, .. } = &self.header;
        if universe_namespace == universe.namespace() && *universe_version > universe.version() {
            return Err(Error::new(
                ErrorKind::InconsistentUniverse,
                format!(
                    "the export has version {universe_version} of the dimensions '{universe_namespace}', the \
                     repository version {}",
                    universe.version()
                ),
            )
            .with_hint("import it into a repository with these dimensions"));
        }
        Ok(())
    }

    /// Notes that a collection must be there, of a type.
    fn mention(&mut self, name: &ArcStr, ty: Option<CollectionType>, at: At) -> Result<()> {
        let noted = self.facts.mention(name, ty, at);
        self.events.located(noted)
    }

    fn give(&mut self, item: Item) -> Result<()> {
        (self.sink)(item, self.events.bytes())
    }

    /// What was found; if it does not fit the dimensions, and they are others in the file, that is why.
    fn fitting<T>(&self, found: Found<T>) -> Result<T> {
        let flaw = match found {
            Ok(value) => return Ok(value),
            Err(flaw) => flaw,
        };
        let universe = self.universe();
        if flaw.error.kind() != ErrorKind::DimensionName || self.header.is_of(universe) {
            return Err(self.events.locate(flaw));
        }
        let message = format!(
            "{}; the file has version {} of the dimensions '{}', the repository version {} of '{}'",
            flaw.error.message(),
            self.header.universe_version,
            self.header.universe_namespace,
            universe.version(),
            universe.namespace()
        );
        let other = Flaw::new(flaw.at, ErrorKind::InconsistentUniverse, message);
        Err(self.events.locate(match flaw.error.hint() {
            Some(hint) => other.hint(hint),
            None => other,
        }))
    }
}
