//! Who works here: names that are written down beside what was done.

use std::sync::OnceLock;

use arcstr::ArcStr;

/// Name of this host, as the system knows it.
#[must_use]
pub fn host_name() -> ArcStr {
    static HOST: OnceLock<ArcStr> = OnceLock::new();
    HOST.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().as_ref().into()).clone()
}

/// Name of the account, as the environment tells it; empty if it does not.
#[must_use]
pub fn user_name() -> ArcStr {
    let names = ["USER", "LOGNAME", "USERNAME"];
    names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default().into()
}
