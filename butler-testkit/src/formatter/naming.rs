//! What a formatter says of itself.

use butler_core::Result;

use super::FormatterHarness;

pub(super) async fn records_and_paths_can_have_its_names(h: &dyn FormatterHarness) -> Result<()> {
    let formatter = h.formatter();
    let name = formatter.name();
    assert!(!name.is_empty() && !name.contains(char::is_control), "{name:?} is written into records");
    let extension = formatter.extension();
    let rest = extension.strip_prefix('.').unwrap_or(if extension.is_empty() { "x" } else { "" });
    assert!(!rest.is_empty() && !rest.contains(['/', '\\', ' ']), "{extension:?} is an end of file names");
    let in_memory = formatter.in_memory();
    for sample in h.samples() {
        assert!(in_memory.contains(&sample.class.in_memory.as_str()), "{sample:?} is none of {in_memory:?}");
    }
    Ok(())
}
