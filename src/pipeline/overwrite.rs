//! What may be written: `assert_file_overwrite` of ffmpeg.

use crate::error::{Error, Kind};
use crate::libav::avio;

use super::Observer;
use super::demux::Input;
use super::plan::{Global, Overwrite};

/// Asks, refuses or lets through, file by file.
pub struct Guard<'a> {
    global: &'a Global,
    observer: &'a dyn Observer,
    /// The names of the inputs, where libavformat opens them as files.
    inputs: Vec<(usize, String)>,
}

impl<'a> Guard<'a> {
    /// A guard over these inputs.
    pub fn new(global: &'a Global, observer: &'a dyn Observer, inputs: &[Input]) -> Self {
        let files = inputs.iter().enumerate().filter(|(_, input)| !input.demuxer.opens_its_files());
        Self { global, observer, inputs: files.map(|(index, input)| (index, input.demuxer.url())).collect() }
    }

    /// May `path` be opened for writing?
    ///
    /// # Errors
    /// It exists and must not be overwritten, or it is an input.
    pub fn check(&self, path: &str) -> Result<(), Error> {
        if self.global.overwrite != Overwrite::Always && avio::is_existing_file(path) {
            if self.global.overwrite == Overwrite::Never || !self.global.stdin {
                let error = Error::new(Kind::File, format!("File '{path}' already exists. Exiting."));
                return Err(error.with_hint("-y overwrites it"));
            }
            if !self.observer.confirm_overwrite(path) {
                return Err(Error::new(Kind::File, "Not overwriting - exiting"));
            }
        }
        match self.inputs.iter().find(|(_, input)| input == path) {
            Some((index, _)) if avio::is_file(path) => {
                let error = Error::new(Kind::Usage, format!("Output {path} same as Input #{index} - exiting"));
                Err(error.with_hint("existing files cannot be edited in place: write to another file"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Progress;

    struct Answer(bool);

    impl Observer for Answer {
        fn confirm_overwrite(&self, _: &str) -> bool {
            self.0
        }

        fn progress(&self, _: &Progress, _: bool) {}
    }

    #[test]
    fn an_existing_file_is_asked_for_refused_or_taken() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("UTF-8");
        for (overwrite, stdin, answer, allowed) in [
            (Overwrite::Ask, true, true, true),
            (Overwrite::Ask, true, false, false),
            (Overwrite::Ask, false, true, false),
            (Overwrite::Never, true, true, false),
            (Overwrite::Always, false, false, true),
        ] {
            let global = Global { overwrite, stdin, ..Global::default() };
            let answer = Answer(answer);
            let guard = Guard { global: &global, observer: &answer, inputs: Vec::new() };
            assert_eq!(guard.check(path).is_ok(), allowed, "{overwrite:?} {stdin}");
            guard.check("/nowhere/at/all").expect("a file that is not there");
            guard.check("http://127.0.0.1:9/x").expect("only files are asked");
        }
    }

    #[test]
    fn an_input_is_never_written_to() {
        let (global, answer) = (Global { overwrite: Overwrite::Always, ..Global::default() }, Answer(true));
        let guard = Guard { global: &global, observer: &answer, inputs: vec![(1, "x.ts".into())] };
        assert!(guard.check("x.ts").is_err_and(|error| error.to_string().contains("same as Input #1")));
        guard.check("y.ts").expect("another file");
    }
}
