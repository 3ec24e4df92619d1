//! Defaults: what is meant where nothing is said.

use arcstr::ArcStr;

use super::target::LooseDataId;
use crate::collection::CollectionSummary;
use crate::config::Section;
use crate::dimension::{DataId, DimensionUniverse, DimensionValue, FieldValue};
use crate::{Error, ErrorKind, Result};

/// What is meant where a call does not say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// Collections to search, first first.
    pub collections: Vec<ArcStr>,
    /// Run for new datasets.
    pub run: Option<ArcStr>,
    /// Values of governor dimensions.
    pub data_id: LooseDataId,
    /// Whether a governor dimension of which the default collections have one
    /// value only has that value by default.
    pub infer: bool,
}

impl Defaults {
    /// Defaults of a configuration: `collections`, `run`, `infer` (true) and values of governor dimensions in `data_id`.
    pub(super) fn from_section(section: &Section<'_>) -> Result<Self> {
        let values = section.section("data_id")?;
        let names: Vec<String> = values.keys().map(str::to_owned).collect();
        let pairs = names.iter().map(|name| Ok((name.as_str(), values.required_text(name)?)));
        let this = Self {
            collections: section.texts("collections")?.into_iter().map(Into::into).collect(),
            run: section.text("run")?.map(Into::into),
            data_id: pairs.collect::<Result<Vec<_>>>()?.into_iter().collect(),
            infer: section.flag("infer")?.unwrap_or(true),
        };
        section.finish()?;
        Ok(this)
    }

    /// Without collections of their own, those of the run.
    pub(super) fn completed(mut self) -> Self {
        if self.collections.is_empty() {
            self.collections.extend(self.run.clone());
        }
        self
    }

    /// The default data ID: given values, then what summaries leave no choice about.
    ///
    /// # Errors
    /// `Argument` for a dimension that is no governor, `DimensionName`, `DimensionValue`.
    pub(super) fn governors(
        &self,
        universe: DimensionUniverse,
        summary: &CollectionSummary,
    ) -> Result<DataId> {
        let mut values: Vec<(&'static str, DimensionValue)> = Vec::new();
        for (key, value) in self.data_id.pairs() {
            let dimension = universe.dimension(key)?;
            if !dimension.is_governor() {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!("'{key}' cannot have a default value: it is no governor dimension"),
                ));
            }
            let FieldValue::Text(text) = value else {
                return Err(Error::new(
                    ErrorKind::DimensionValue,
                    format!("the default value of '{key}' must be text"),
                ));
            };
            values.push((dimension.name().as_str(), text.clone().into()));
        }
        if self.infer {
            for governor in universe.governors() {
                let known = summary.governors.get(governor.name());
                if let Some(only) = known.filter(|known| known.len() == 1).and_then(|known| known.first())
                    && !values.iter().any(|(name, _)| *name == governor.name().as_str())
                {
                    values.push((governor.name().as_str(), only.clone().into()));
                }
            }
        }
        let group = universe.conform(values.iter().map(|(name, _)| *name))?;
        DataId::from_pairs(group, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, data_id};

    #[test]
    fn they_come_from_configuration() {
        let mut config = Config::default();
        config
            .merge_text(
                "[defaults]\ncollections = ['a', 'b']\nrun = 'r'\ninfer = false\ndata_id.instrument = 'Cam1'",
                "butler.toml",
            )
            .unwrap();
        let defaults = Defaults::from_section(&config.section("defaults").unwrap()).unwrap();
        assert_eq!(defaults.collections, ["a", "b"]);
        assert_eq!(defaults.data_id, data_id! { instrument: "Cam1" });
        let empty = Defaults::from_section(&Config::default().section("defaults").unwrap()).unwrap();
        assert!(empty.infer && empty.collections.is_empty());
        assert_eq!(Defaults { run: Some("r".into()), ..empty }.completed().collections, ["r"]);
    }

    #[test]
    fn the_only_value_of_a_governor_is_meant() {
        let universe = DimensionUniverse::default();
        let mut summary = CollectionSummary::default();
        summary.governors.insert("instrument".into(), ["Cam1".into()].into());
        summary.governors.insert("skymap".into(), ["a".into(), "b".into()].into());
        let defaults = Defaults { infer: true, ..Defaults::default() };
        let inferred = defaults.governors(universe, &summary).unwrap();
        assert_eq!((inferred.get("instrument"), inferred.get("skymap")), (Some(&"Cam1".into()), None));
        let given = Defaults { data_id: data_id! { instrument: "Cam2" }, ..defaults.clone() };
        assert_eq!(given.governors(universe, &summary).unwrap().get("instrument"), Some(&"Cam2".into()));
        let none = Defaults { infer: false, ..defaults.clone() };
        assert!(none.governors(universe, &summary).unwrap().values().is_empty());
        let wrong = Defaults { data_id: data_id! { detector: 1 }, ..defaults };
        assert_eq!(wrong.governors(universe, &summary).unwrap_err().kind(), ErrorKind::Argument);
    }
}
