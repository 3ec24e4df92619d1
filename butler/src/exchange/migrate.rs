//! Records of older universes, as those of this one.
//!
//! Universes of the namespace `daf_butler` before version 6 had no dimensions
//! `group` and `day_obs`, but fields of these names; before version 2 a visit
//! implied its `visit_system`; before version 1 it had a `seeing` and no `day_obs`.

use arcstr::ArcStr;
use butler_core::{
    DimensionElement, DimensionRecord, DimensionUniverse, ErrorKind, FieldValue, Instant, Timespan,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::header::Header;
use super::node::{At, Entry, Flaw, Found, Node, Tag, Value, at};

const NANOS: i64 = 1_000_000_000;

/// What must be done to records of a file.
#[derive(Debug, Default)]
pub(super) struct Migration {
    /// Visits lose what they implied, and become members of it.
    visit_system: Option<DimensionElement>,
    /// The dimension that group names of exposures become.
    group: Option<DimensionElement>,
    /// The dimension that observing days become.
    day_obs: Option<DimensionElement>,
    exposures_have_days: bool,
    visits_have_days: bool,
    visits_need_days: bool,
    seeing: bool,
    /// Names of classes of instruments.
    pub(super) instruments: FxHashMap<ArcStr, ArcStr>,
    /// Instruments of which it is not known when a day begins.
    pub(super) unknown: FxHashSet<ArcStr>,
    /// Those of them that had not come yet when they were needed.
    pub(super) absent: FxHashSet<ArcStr>,
    days: FxHashSet<(ArcStr, i64)>,
    groups: FxHashSet<(ArcStr, ArcStr)>,
    /// Records that follow from others, not taken yet.
    pub(super) derived: Derived,
}

/// Records that follow from others.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// Groups and days, which come before what they follow from.
    pub(super) before: Vec<DimensionRecord>,
    /// Memberships, which come after.
    pub(super) after: Vec<DimensionRecord>,
}

impl Migration {
    pub(super) fn new(header: &Header, universe: DimensionUniverse) -> Self {
        let version = header.universe_version;
        if header.universe_namespace != "daf_butler" || header.is_of(universe) {
            return Self::default();
        }
        let implies = |element: &str, dimension: &str| {
            universe.get(element).is_some_and(|element| element.implied().any(|d| d.name() == dimension))
        };
        let lacks = |element: &str, field: &str| {
            universe.get(element).is_some_and(|element| element.field(field).is_none())
        };
        Self {
            visit_system: universe.get("visit_system_membership").filter(|_| version < 2),
            group: universe.get("group").filter(|_| version < 6 && implies("exposure", "group")),
            day_obs: universe.get("day_obs").filter(|_| version < 6),
            exposures_have_days: version < 6 && implies("exposure", "day_obs"),
            visits_have_days: version < 6 && implies("visit", "day_obs"),
            visits_need_days: version < 1 && !lacks("visit", "day_obs"),
            seeing: version < 1 && lacks("visit", "seeing"),
            ..Self::default()
        }
    }

    /// Whether anything is done at all.
    pub(super) fn is_needed(&self) -> bool {
        self.visit_system.is_some() || self.group.is_some() || self.day_obs.is_some()
    }

    /// Dimensions of a dataset type, without one that visits no longer imply.
    pub(super) fn dimensions(&self, names: &mut Vec<ArcStr>) {
        if self.visit_system.is_some() && names.iter().any(|name| name == "visit") {
            names.retain(|name| name != "visit_system");
        }
    }

    /// Changes a record, and notes what follows from it.
    pub(super) fn record(
        &mut self,
        element: DimensionElement,
        place: At,
        entries: &mut Vec<Entry>,
    ) -> Found<()> {
        match element.name().as_str() {
            "instrument" => self.instrument(entries),
            "exposure" => {
                self.exposure_group(place, entries)?;
                if self.exposures_have_days {
                    self.day(place, entries)?;
                }
            }
            "visit" => {
                self.visit_membership(place, entries)?;
                if self.seeing {
                    take(entries, "seeing");
                }
                if self.visits_need_days {
                    self.add_day(place, entries)?;
                }
                if self.visits_have_days {
                    self.day(place, entries)?;
                }
            }
            "visit_definition" if self.visit_system.is_some() => {
                take(entries, "visit_system");
            }
            _ => {}
        }
        Ok(())
    }

    fn instrument(&mut self, entries: &[Entry]) {
        let text = |key: &str| get(entries, key).and_then(|node| node.text().ok());
        if let (Some(name), Some(class)) = (text("name").or_else(|| text("instrument")), text("class_name")) {
            self.instruments.insert(name.into(), class.into());
        }
    }

    fn exposure_group(&mut self, place: At, entries: &mut Vec<Entry>) -> Found<()> {
        let Some(element) = self.group else { return Ok(()) };
        take(entries, "group_id");
        let mut group = match take(entries, "group_name") {
            Some(group) => group,
            None if get(entries, "group").is_some() => return Ok(()),
            None => return Err(missing(place, "group_name")),
        };
        group.key = "group".to_owned();
        let instrument: ArcStr = required(place, entries, "instrument")?.text()?.into();
        let name: ArcStr = group.value.text()?.into();
        entries.push(group);
        if self.groups.insert((instrument.clone(), name.clone())) {
            let record = DimensionRecord::new(element, [("instrument", instrument), ("group", name)]);
            self.derived.before.push(record.map_err(at(place))?);
        }
        Ok(())
    }

    fn visit_membership(&mut self, place: At, entries: &mut Vec<Entry>) -> Found<()> {
        let Some(element) = self.visit_system else { return Ok(()) };
        let system = take(entries, "visit_system").ok_or_else(|| missing(place, "visit_system"))?;
        let visit =
            get(entries, "id").or_else(|| get(entries, "visit")).ok_or_else(|| missing(place, "id"))?;
        let fields: [(&str, FieldValue); 3] = [
            ("instrument", required(place, entries, "instrument")?.text()?.into()),
            ("visit_system", system.value.int()?.into()),
            ("visit", visit.int()?.into()),
        ];
        self.derived.after.push(DimensionRecord::new(element, fields).map_err(at(place))?);
        Ok(())
    }

    /// Notes the observing day of a record.
    fn day(&mut self, place: At, entries: &[Entry]) -> Found<()> {
        let Some(element) = self.day_obs else { return Ok(()) };
        let instrument: ArcStr = required(place, entries, "instrument")?.text()?.into();
        let node = required(place, entries, "day_obs")?;
        let day = node.int()?;
        if self.days.contains(&(instrument.clone(), day)) {
            return Ok(());
        }
        // Refuses what is no date, also if the offset is not known.
        let midnight = Timespan::from_day_obs(day, 0).map_err(at(node.at))?.begin();
        let offset = midnight.and_then(|midnight| self.offset(&instrument, midnight));
        let timespan =
            offset.map(|offset| Timespan::from_day_obs(day, offset)).transpose().map_err(at(node.at))?;
        let fields: [(&str, FieldValue); 3] = [
            ("instrument", instrument.clone().into()),
            ("day_obs", day.into()),
            ("timespan", timespan.into()),
        ];
        self.derived.before.push(DimensionRecord::new(element, fields).map_err(at(place))?);
        self.days.insert((instrument, day));
        Ok(())
    }

    /// Adds the observing day, which follows from the begin of a visit.
    fn add_day(&mut self, place: At, entries: &mut Vec<Entry>) -> Found<()> {
        let instrument: ArcStr = required(place, entries, "instrument")?.text()?.into();
        let node = required(place, entries, "datetime_begin")?;
        let begin_at = node.at;
        let begin = node.instant()?.ok_or_else(|| missing(begin_at, "datetime_begin"))?;
        let offset = self.offset(&instrument, begin).unwrap_or_default();
        let evening = begin.checked_add_nanoseconds(-offset * NANOS).unwrap_or(begin);
        let text: String = evening.to_iso_tai().chars().take(10).filter(char::is_ascii_digit).collect();
        take(entries, "day_obs");
        let value = Node { at: begin_at, tag: Tag::None, value: Value::Scalar { text, plain: true } };
        entries.push(Entry { key: "day_obs".to_owned(), at: place, value });
        Ok(())
    }

    /// Seconds after midnight TAI at which an observing day of an instrument begins, if that is known.
    fn offset(&mut self, instrument: &ArcStr, date: Instant) -> Option<i64> {
        let offset = self.instruments.get(instrument).and_then(|class| day_offset(class, date));
        if offset.is_none() {
            self.unknown.insert(instrument.clone());
            if !self.instruments.contains_key(instrument) {
                self.absent.insert(instrument.clone());
            }
        }
        offset
    }

    /// Forgets which groups there were: they are given again, which does no harm.
    pub(super) fn take_derived(&mut self) -> Derived {
        self.groups.clear();
        std::mem::take(&mut self.derived)
    }
}

/// Seconds after midnight TAI at which an observing day begins, by the class of
/// the instrument: what the translators of the packages
/// `astro_metadata_translator` and `obs_lsst` say.
///
/// The cameras that were tested in California had a day of local time there, with
/// or without daylight saving, which is left open.
fn day_offset(class: &str, date: Instant) -> Option<i64> {
    const NOON: i64 = 12 * 3600;
    let since = |text: &str| Instant::from_iso_tai(text).is_ok_and(|begin| date >= begin).then_some(NOON);
    match class {
        "lsst.obs.subaru.HyperSuprimeCam"
        | "lsst.obs.cfht.MegaPrime"
        | "lsst.obs.lsst.LsstCamImSim"
        | "lsst.obs.lsst.LsstCamPhoSim"
        | "lsst.obs.lsst.LsstUCDCam" => Some(0),
        "lsst.obs.lsst.LsstTS3" | "lsst.obs.lsst.LsstTS8" => Some(8 * 3600),
        "lsst.obs.decam.DarkEnergyCamera"
        | "lsst.obs.lsst.Latiss"
        | "lsst.obs.lsst.LsstComCamSim"
        | "lsst.obs.lsst.LsstCamSim" => Some(NOON),
        "lsst.obs.lsst.LsstCam" => since("2024-05-01"),
        "lsst.obs.lsst.LsstComCam" => since("2020-03-01"),
        _ => None,
    }
}

fn get<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Entry> {
    entries.iter().position(|entry| entry.key == key).map(|index| entries.swap_remove(index))
}

fn required<'a>(place: At, entries: &'a [Entry], key: &str) -> Found<&'a Node> {
    get(entries, key).filter(|node| !node.is_null()).ok_or_else(|| missing(place, key))
}

fn missing(place: At, key: &str) -> Flaw {
    Flaw::new(
        place,
        ErrorKind::DimensionName,
        format!("a record of this old universe needs a value for '{key}'"),
    )
}
