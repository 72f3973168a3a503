//! Where the `-summary` of a job goes.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Kind};
use crate::job::Report;

/// Writes the summary to `target`; `-` is standard output. A file is replaced as a whole and is readable by this user only.
///
/// # Errors
/// [`Kind::File`] names the file.
pub fn write_summary(report: &Report, target: &str) -> Result<(), Error> {
    let text = format!("{}\n", report.to_json());
    let failed = |error: std::io::Error| Error::new(Kind::File, format!("-summary {target}: {error}"));
    if target == "-" {
        return std::io::stdout().write_all(text.as_bytes()).map_err(failed);
    }
    let path = Path::new(target);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".ffauth-summary-").tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
