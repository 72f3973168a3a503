//! Arithmetic expressions with named constants (`av_expr_parse`).

use std::ffi::c_char;
use std::ptr::{self, NonNull};

use super::call::c_string;
use super::error::AvError;
use super::ffi;

/// A parsed expression over constants whose values may differ from one evaluation to the next.
pub struct Expression {
    raw: NonNull<ffi::AVExpr>,
    constants: usize,
}

// SAFETY: an AVExpr is plain memory without thread affinity, owned by this type (invariant 10).
unsafe impl Send for Expression {}

impl Expression {
    /// Reads `text`, in which `constants` may stand.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)`; libavutil has logged what it does not understand.
    pub fn parse(text: &str, constants: &[&str]) -> Result<Self, AvError> {
        let text = c_string(text)?;
        let names = constants.iter().map(|name| c_string(name)).collect::<Result<Vec<_>, _>>()?;
        let list: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).chain([ptr::null()]).collect();
        let mut raw = ptr::null_mut();
        let none = ptr::null();
        // SAFETY: text and names live through the call, which keeps only places in the list; the list ends with null, and the
        // lists of functions may be null (invariant 11).
        let code = unsafe {
            ffi::av_expr_parse(
                &mut raw,
                text.as_ptr(),
                list.as_ptr().cast_mut().cast(),
                none,
                ptr::null_mut(),
                none,
                ptr::null_mut(),
                0,
                ptr::null_mut(),
            )
        };
        AvError::check(code)?;
        let raw = NonNull::new(raw).ok_or(AvError::from_errno(libc::ENOMEM))?;
        Ok(Self { raw, constants: constants.len() })
    }

    /// Its value when the constants have these, in the order in which they were named.
    pub fn evaluate(&mut self, values: &[f64]) -> f64 {
        if values.len() < self.constants {
            return f64::NAN;
        }
        // SAFETY: a parsed expression, and a value for each constant that it was parsed with (invariants 10 and 11).
        unsafe { ffi::av_expr_eval(self.raw.as_ptr(), values.as_ptr(), ptr::null_mut()) }
    }
}

impl Drop for Expression {
    fn drop(&mut self) {
        // SAFETY: owned, freed once (invariant 10).
        unsafe { ffi::av_expr_free(self.raw.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_have_the_values_of_the_moment() {
        let mut expression = Expression::parse("gte(t,n_forced*5)", &["n_forced", "t"]).expect("an expression");
        assert_eq!(expression.evaluate(&[1.0, 4.9]), 0.0);
        assert_eq!(expression.evaluate(&[1.0, 5.0]), 1.0);
        assert!(expression.evaluate(&[1.0]).is_nan(), "too few values");
        assert!(Expression::parse("gte(t", &["t"]).is_err());
    }
}
