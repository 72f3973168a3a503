//! The `-summary` of a job as a file.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Kind};

use super::Report;

/// Writes the summary to the file `target`, which is replaced as a whole and is readable by this user only.
///
/// # Errors
/// [`Kind::File`] names the file.
pub fn write(report: &Report, target: &str) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::new(Kind::File, format!("-summary {target}: {error}"));
    let path = Path::new(target);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".ffauth-summary-").tempfile_in(folder).map_err(failed)?;
    writeln!(file, "{}", report.to_json()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
