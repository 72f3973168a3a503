//! Media HTTP that libav cannot do: redirect hops, the precise error behind a failed open, the confirmed upload.
