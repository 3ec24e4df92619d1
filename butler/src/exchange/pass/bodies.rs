//! The long lists: records, datasets, associations.

use arcstr::ArcStr;
use butler_core::registry::RecordSet;
use butler_core::{
    DataId, DatasetId, DatasetRef, DatasetType, DimensionElement, DimensionRecord, Result, Timespan,
};

use super::{Part, Pass};
use crate::exchange::events::Event;
use crate::exchange::item::{BATCH, ExportedDatasets, ExportedFile, ExportedTags, ExportedValidity, Item};
use crate::exchange::node::{At, Flaw, Node, Value, at, timespan_between, twice, unknown_key};
use crate::exchange::record;

const FILE_KEYS: [&str; 4] = ["dataset_id", "data_id", "path", "formatter"];
const RANGE_KEYS: [&str; 4] = ["timespan", "begin", "end", "dataset_ids"];

impl Pass<'_> {
    /// Reads dimension records.
    pub(super) fn records(&mut self, element: DimensionElement) -> Result<()> {
        if !self.events.begin_list("a list of records")? {
            return Ok(());
        }
        let mut batch = Vec::new();
        while let Some((event, event_at)) = self.events.next_item()? {
            let node = self.events.build(event, event_at)?;
            let mut entries = match node.value {
                Value::Map(entries) => entries,
                _ => return Err(self.events.locate(node.unlike("a record, a mapping"))),
            };
            if self.migration.is_needed() {
                let changed = self.migration.record(element, node.at, &mut entries);
                self.fitting(changed)?;
            }
            batch.push(self.fitting(record::record(element, node.at, &entries))?);
            if batch.len() == BATCH {
                self.give_records(element, std::mem::take(&mut batch))?;
            }
        }
        self.give_records(element, batch)
    }

    /// Gives records, and those that follow from them.
    fn give_records(&mut self, element: DimensionElement, batch: Vec<DimensionRecord>) -> Result<()> {
        let derived = self.migration.take_derived();
        let mut before: Vec<RecordSet> = Vec::new();
        for record in derived.before {
            match before.iter_mut().find(|set| set.element == record.element()) {
                Some(set) => set.records.push(record),
                None => before.push(RecordSet { element: record.element(), records: vec![record] }),
            }
        }
        let own = RecordSet { element, records: batch };
        let after = derived.after.first().map(DimensionRecord::element);
        let after = after.map(|element| RecordSet { element, records: derived.after });
        for set in before.into_iter().chain([own]).chain(after) {
            let wanted = match self.plan.part {
                Part::Records(element) => set.element == element,
                other => other == Part::All,
            };
            if wanted && !set.records.is_empty() {
                self.give(Item::Records(set))?;
            }
        }
        Ok(())
    }

    /// Reads datasets of one type in one run.
    pub(super) fn datasets(&mut self, dataset_type: &DatasetType, run: &ArcStr) -> Result<()> {
        if !self.events.begin_list("a list of files with datasets")? {
            return Ok(());
        }
        let empty =
            || ExportedDatasets { dataset_type: dataset_type.clone(), run: run.clone(), files: Vec::new() };
        let mut batch = empty();
        let mut count = 0;
        while let Some((event, event_at)) = self.events.next_item()? {
            if !matches!(event, Event::MapStart(_)) {
                return Err(self.events.unexpected(&event, event_at, "a file with datasets, a mapping"));
            }
            let file = self.file(dataset_type, run, event_at)?;
            if count + file.datasets.len() > BATCH && count > 0 {
                self.give(Item::Datasets(std::mem::replace(&mut batch, empty())))?;
                count = 0;
            }
            count += file.datasets.len();
            batch.files.push(file);
        }
        if batch.is_empty() { Ok(()) } else { self.give(Item::Datasets(batch)) }
    }

    fn file(&mut self, dataset_type: &DatasetType, run: &ArcStr, place: At) -> Result<ExportedFile> {
        let mut ids: Option<Vec<DatasetId>> = None;
        let mut data_ids: Option<Vec<DataId>> = None;
        let mut path: Option<Node> = None;
        let mut formatter: Option<Node> = None;
        while let Some((key, key_at)) = self.events.next_key()? {
            let known = match key.as_str() {
                "dataset_id" => ids.replace(self.ids()?).is_some(),
                "data_id" => data_ids.replace(self.data_ids(dataset_type)?).is_some(),
                "path" => path.replace(self.events.node()?).is_some(),
                "formatter" => formatter.replace(self.events.node()?).is_some(),
                _ => return Err(self.events.locate(unknown_key(key_at, &key, &FILE_KEYS))),
            };
            if known {
                return Err(self.events.locate(twice(key_at, &key)));
            }
        }
        let missing = |what: &str| {
            self.events
                .locate(Flaw::form(place, format!("a file with datasets without '{what}' begins here")))
        };
        let ids = ids.ok_or_else(|| missing("dataset_id"))?;
        let data_ids = data_ids.ok_or_else(|| missing("data_id"))?;
        if ids.len() != data_ids.len() || ids.is_empty() {
            let message = format!("a file has {} dataset ids and {} data IDs", ids.len(), data_ids.len());
            return Err(self
                .events
                .locate(Flaw::form(place, message).hint("it needs one data ID for each id")));
        }
        let datasets = ids
            .into_iter()
            .zip(data_ids)
            .map(|(id, data_id)| DatasetRef::new(id, dataset_type.clone(), data_id, run.clone()));
        let datasets = self.events.located(datasets.collect::<Result<_>>().map_err(at(place)))?;
        let text = |node: Option<Node>| -> Result<Option<ArcStr>> {
            let Some(node) = node else { return Ok(None) };
            Ok(self.events.located(node.optional_text())?.map(Into::into))
        };
        // The Python butler wants a path even where there is no file.
        let path = text(path)?.filter(|path| !path.is_empty());
        Ok(ExportedFile { path, formatter: text(formatter)?, datasets })
    }

    /// Reads one id, or a list of them.
    fn ids(&mut self) -> Result<Vec<DatasetId>> {
        let (event, event_at) = self.events.next()?;
        if !matches!(event, Event::ListStart(_)) {
            return Ok(vec![self.id(event, event_at)?]);
        }
        let mut ids = Vec::new();
        while let Some((event, event_at)) = self.events.next_item()? {
            ids.push(self.id(event, event_at)?);
        }
        Ok(ids)
    }

    fn id(&mut self, event: Event, event_at: At) -> Result<DatasetId> {
        match event {
            Event::Node(node) => self.events.located(node.dataset_id()),
            other => Err(self.events.unexpected(&other, event_at, "the id of a dataset")),
        }
    }

    /// Reads one data ID, or a list of them.
    fn data_ids(&mut self, dataset_type: &DatasetType) -> Result<Vec<DataId>> {
        let (event, event_at) = self.events.next()?;
        if !matches!(event, Event::ListStart(_)) {
            return Ok(vec![self.data_id(event, event_at, dataset_type)?]);
        }
        let mut data_ids = Vec::new();
        while let Some((event, event_at)) = self.events.next_item()? {
            data_ids.push(self.data_id(event, event_at, dataset_type)?);
        }
        Ok(data_ids)
    }

    fn data_id(&mut self, event: Event, event_at: At, dataset_type: &DatasetType) -> Result<DataId> {
        let node = self.events.build(event, event_at)?;
        self.fitting(record::data_id(dataset_type, &node))
    }

    /// Reads members of a tagged collection.
    pub(super) fn tags(&mut self, collection: &ArcStr) -> Result<()> {
        if !self.events.begin_list("a list of dataset ids")? {
            return Ok(());
        }
        let mut ids = Vec::new();
        while let Some((event, event_at)) = self.events.next_item()? {
            ids.push(self.id(event, event_at)?);
            if ids.len() == BATCH {
                let ids = std::mem::take(&mut ids);
                self.give(Item::Tags(ExportedTags { collection: collection.clone(), ids }))?;
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        self.give(Item::Tags(ExportedTags { collection: collection.clone(), ids }))
    }

    /// Reads members of a calibration collection.
    pub(super) fn validity(&mut self, collection: &ArcStr) -> Result<()> {
        if !self.events.begin_list("a list of validity ranges")? {
            return Ok(());
        }
        while let Some((event, event_at)) = self.events.next_item()? {
            if !matches!(event, Event::MapStart(_)) {
                return Err(self.events.unexpected(&event, event_at, "a validity range, a mapping"));
            }
            self.range(collection, event_at)?;
        }
        Ok(())
    }

    fn range(&mut self, collection: &ArcStr, place: At) -> Result<()> {
        let mut when = Validity::default();
        let mut ids = Vec::new();
        let mut listed = false;
        while let Some((key, key_at)) = self.events.next_key()? {
            let known = match key.as_str() {
                "timespan" => when.timespan.replace(self.events.node()?).is_some(),
                "begin" => when.begin.replace(self.events.node()?).is_some(),
                "end" => when.end.replace(self.events.node()?).is_some(),
                "dataset_ids" if !listed => {
                    listed = true;
                    let known =
                        if when.is_known() { Some(self.events.located(when.read(place))?) } else { None };
                    ids = self.valid_ids(collection, known)?;
                    false
                }
                "dataset_ids" => true,
                _ => return Err(self.events.locate(unknown_key(key_at, &key, &RANGE_KEYS))),
            };
            if known {
                return Err(self.events.locate(twice(key_at, &key)));
            }
        }
        let timespan = self.events.located(when.read(place))?;
        if !listed {
            return Err(self
                .events
                .locate(Flaw::form(place, "a validity range without 'dataset_ids' begins here")));
        }
        for ids in ids.chunks(BATCH) {
            self.give_valid(collection, timespan, ids.to_vec())?;
        }
        Ok(())
    }

    /// Reads ids that are valid together; gives full batches if it is known when. Returns the rest.
    fn valid_ids(&mut self, collection: &ArcStr, timespan: Option<Timespan>) -> Result<Vec<DatasetId>> {
        let mut ids = Vec::new();
        if !self.events.begin_list("a list of dataset ids")? {
            return Ok(ids);
        }
        while let Some((event, event_at)) = self.events.next_item()? {
            ids.push(self.id(event, event_at)?);
            if let Some(timespan) = timespan.filter(|_| ids.len() == BATCH) {
                self.give_valid(collection, timespan, std::mem::take(&mut ids))?;
            }
        }
        Ok(ids)
    }

    fn give_valid(&mut self, collection: &ArcStr, timespan: Timespan, ids: Vec<DatasetId>) -> Result<()> {
        self.give(Item::Validity(ExportedValidity { collection: collection.clone(), timespan, ids }))
    }
}

/// When something is valid, in either notation.
#[derive(Default)]
struct Validity {
    timespan: Option<Node>,
    begin: Option<Node>,
    end: Option<Node>,
}

impl Validity {
    fn is_known(&self) -> bool {
        self.timespan.is_some() || self.begin.is_some() && self.end.is_some()
    }

    fn read(&self, place: At) -> Result<Timespan, Flaw> {
        match (&self.timespan, &self.begin, &self.end) {
            (Some(node), None, None) => {
                node.timespan()?.ok_or_else(|| node.unlike("a timespan, which may be unbounded at both ends"))
            }
            (None, Some(begin), Some(end)) => timespan_between(begin.at, begin, end),
            _ => Err(Flaw::form(place, "a validity range has either 'timespan', or 'begin' and 'end'")),
        }
    }
}
