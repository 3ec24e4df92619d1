//! Export files: what is checked before anything is done with them, and their items.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use butler_core::{DatasetType, DimensionUniverse, Result};
use rustc_hash::FxHashMap;

use super::facts::{Facts, Mention};
use super::header::Header;
use super::item::{BATCH, ExportedCollection, Item};
use super::pass::{Part, Pass, Plan, Sink, read_header};
use super::source::Source;

/// Looks at an item, and the number of bytes that were read so far.
pub(super) type Look<'a> = &'a mut dyn FnMut(&Item, u64) -> Result<()>;

/// What a repository knows before a file is read.
#[derive(Clone, Debug)]
pub struct Known {
    universe: DimensionUniverse,
    dataset_types: FxHashMap<ArcStr, DatasetType>,
    instruments: FxHashMap<ArcStr, ArcStr>,
}

impl Known {
    /// An empty repository with some dimensions.
    #[must_use]
    pub fn new(universe: DimensionUniverse) -> Self {
        Self { universe, dataset_types: FxHashMap::default(), instruments: FxHashMap::default() }
    }

    /// With dataset types, which files may refer to.
    #[must_use]
    pub fn with_dataset_types(mut self, dataset_types: impl IntoIterator<Item = DatasetType>) -> Self {
        self.dataset_types.extend(dataset_types.into_iter().map(|ty| (ty.name().clone(), ty)));
        self
    }

    /// With an instrument and the name of its class, which tells when its observing days begin.
    #[must_use]
    pub fn with_instrument(mut self, name: impl Into<ArcStr>, class: impl Into<ArcStr>) -> Self {
        self.instruments.insert(name.into(), class.into());
        self
    }

    pub(super) fn universe(&self) -> DimensionUniverse {
        self.universe
    }

    pub(super) fn dataset_type(&self, name: &str) -> Option<&DatasetType> {
        self.dataset_types.get(name)
    }

    pub(super) fn dataset_type_names(&self) -> impl Iterator<Item = &str> {
        self.dataset_types.keys().map(ArcStr::as_str)
    }

    pub(super) fn instruments(&self) -> impl Iterator<Item = (&ArcStr, &ArcStr)> {
        self.instruments.iter()
    }
}

/// How much of each kind there is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Dimension records, by name of the element.
    pub records: BTreeMap<ArcStr, u64>,
    /// Datasets.
    pub datasets: u64,
    /// Files with datasets.
    pub files: u64,
    /// Members of tagged collections.
    pub tags: u64,
    /// Members of calibration collections.
    pub valid: u64,
}

impl Counts {
    fn add(&mut self, item: &Item) {
        let rows = item.rows() as u64;
        match item {
            Item::Records(set) => *self.records.entry(set.element.name().clone()).or_default() += rows,
            Item::Datasets(datasets) => {
                self.datasets += rows;
                self.files += datasets.files.iter().filter(|file| file.path.is_some()).count() as u64;
            }
            Item::Tags(_) => self.tags += rows,
            Item::Validity(_) => self.valid += rows,
            Item::Collection(_) | Item::DatasetType(_) => {}
        }
    }
}

/// A file that was read to its end and found good: what is in it.
#[derive(Debug)]
pub struct Contents {
    facts: Facts,
    header: Header,
    counts: Counts,
    /// All items, if they are few.
    items: Option<Vec<Item>>,
}

impl Contents {
    /// What the file says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Collections that it describes, in its order, each once.
    #[must_use]
    pub fn collections(&self) -> &[ExportedCollection] {
        &self.facts.collections
    }

    /// Dataset types that it describes, by name.
    pub fn dataset_types(&self) -> impl Iterator<Item = &DatasetType> {
        self.facts.dataset_types.values()
    }

    /// How much of each kind there is.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What somebody should know about it, though it can be read.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.facts.unknown_instruments[..] {
            [] => Vec::new(),
            names => vec![format!(
                "observing days of {} have no timespans: it is not known when a day of theirs begins",
                names.join(", ")
            )],
        }
    }

    /// All items, if they were few enough to be kept: 10,000 rows together.
    #[must_use]
    pub fn items(&self) -> Option<&[Item]> {
        self.items.as_deref()
    }

    /// Parts of the file, in an order in which what is referred to comes before what refers to it.
    pub(super) fn parts(&self, universe: DimensionUniverse) -> Vec<Part> {
        if self.facts.ordered {
            return vec![Part::All];
        }
        let elements = universe.elements().filter(|element| self.counts.records.contains_key(element.name()));
        let records = elements.map(Part::Records);
        records.chain([Part::Datasets, Part::Associations]).collect()
    }

    /// Collections that are not in the file, but which it refers to: with the type that they must have.
    pub(super) fn foreign_collections(&self) -> impl Iterator<Item = (&ArcStr, &Mention)> {
        self.facts.mentions.iter().filter(|(name, _)| self.facts.collection(name).is_none())
    }
}

/// An export file of a Python butler, or of this one.
///
/// It is read as a stream; memory does not grow with its size.
///
/// ```
/// use butler::exchange::{ExportFile, Item, Known, Part};
/// use butler_core::DimensionUniverse;
///
/// # fn main() -> butler_core::Result<()> {
/// let text = "
/// description: Butler Data Repository Export
/// version: 1.0.2
/// universe_version: 8
/// universe_namespace: daf_butler
/// data:
/// - type: dimension
///   element: instrument
///   records:
///   - name: Cam
///     detector_max: 4
/// ";
/// let known = Known::new(DimensionUniverse::default());
/// let mut file = ExportFile::from_reader("cam.yaml", text.as_bytes())?;
/// let contents = file.check(&known)?;
/// assert_eq!(contents.counts().records["instrument"], 1);
/// file.read(&contents, &known, Part::All, |item| {
///     assert!(matches!(item, Item::Records(set) if set.records.len() == 1));
///     Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ExportFile {
    source: Source,
    /// Directory that it is in, if it is a local file.
    directory: Option<PathBuf>,
}

impl ExportFile {
    /// Opens a local file.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Argument` for a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let directory = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        Ok(Self { source: Source::open(path)?, directory })
    }

    /// Takes all that a reader gives: into memory if it is little, else into a
    /// temporary file. The name is for messages.
    ///
    /// # Errors
    /// Those of the reader; `Exhausted` if there is no room for it.
    pub fn from_reader(name: impl Into<String>, reader: impl Read) -> Result<Self> {
        Ok(Self { source: Source::copy(name.into(), reader)?, directory: None })
    }

    /// Name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Directory that it is in, if it is a local file.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Number of bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.len()
    }

    /// Reads all of it, without consequences, and tells what is in it.
    ///
    /// # Errors
    /// With the place in the file: `Argument` if it is no export, `SchemaVersion` if it is of another format,
    /// `InconsistentUniverse` if it is of other dimensions and does not fit, `DimensionName` and `DimensionValue`
    /// for records and data IDs, `MissingDatasetType`, `ConflictingDefinition`, `CollectionType`,
    /// `Exhausted` for values that are too long.
    pub fn check(&mut self, known: &Known) -> Result<Contents> {
        self.inspect(known, &mut |_, _| Ok(()))
    }

    /// As [`check`](Self::check), with a look at each item, which may be taken several times,
    /// and the number of bytes that were read so far.
    pub(super) fn inspect(&mut self, known: &Known, look: Look<'_>) -> Result<Contents> {
        let mut facts = Facts::default();
        let mut learnt = self.examine(known, &mut facts, true, look);
        if learnt.is_err() && facts.header.is_none() {
            // It may have failed because the header comes after the data.
            let header = read_header(&mut self.source).ok();
            if header.is_some() && header != facts.assumed {
                facts = Facts::of(header);
                learnt = self.examine(known, &mut facts, true, look);
            }
        }
        let mut tally = learnt?;
        if facts.has_loose_ends() {
            tally = self.examine(known, &mut facts, false, look)?;
        }
        let header = facts.header.clone().unwrap_or_default();
        Ok(Contents { facts, header, counts: tally.counts, items: tally.items })
    }

    fn examine(&mut self, known: &Known, facts: &mut Facts, learning: bool, look: Look<'_>) -> Result<Tally> {
        let plan = Plan { known, part: Part::All, learning };
        let mut tally = Tally { items: Some(Vec::new()), ..Tally::default() };
        let mut sink = |item, bytes| {
            look(&item, bytes)?;
            tally.add(item);
            Ok(())
        };
        Pass::new(&mut self.source, &plan, facts, &mut sink)?.run()?;
        Ok(tally)
    }

    /// Reads items of a part, in the order of the file.
    ///
    /// # Errors
    /// Those of `take`; and as [`check`](Self::check), should the file have changed meanwhile.
    pub fn read(
        &mut self,
        contents: &Contents,
        known: &Known,
        part: Part,
        mut take: impl FnMut(Item) -> Result<()>,
    ) -> Result<()> {
        self.stream(contents, known, part, &mut |item, _| take(item))
    }

    pub(super) fn stream(
        &mut self,
        contents: &Contents,
        known: &Known,
        part: Part,
        sink: Sink<'_>,
    ) -> Result<()> {
        let plan = Plan { known, part, learning: false };
        let mut facts = contents.facts.for_reading();
        Pass::new(&mut self.source, &plan, &mut facts, sink)?.run()
    }
}

/// What a check finds on its way.
#[derive(Default)]
struct Tally {
    counts: Counts,
    rows: usize,
    /// None once they are too many.
    items: Option<Vec<Item>>,
}

impl Tally {
    fn add(&mut self, item: Item) {
        self.counts.add(&item);
        self.rows += item.rows();
        if self.rows > BATCH {
            self.items = None;
        }
        if let Some(items) = &mut self.items {
            items.push(item);
        }
    }
}
