//! What side data says, read from its bytes: structs of libavutil whose layout is part of its ABI.

use std::fmt::Write;

use super::super::ffi::AVPacketSideDataType::{self, *};
use super::section::Section;

/// `AV_STEREO3D_FLAG_INVERT`.
const INVERTED: i32 = 1;

/// Adds to `section` what ffprobe prints of side data of this type (`print_pkt_side_data`); `size` is the picture's.
pub fn describe(section: &mut Section, kind: AVPacketSideDataType, data: &[u8], size: (i32, i32)) {
    let bytes = Bytes(data);
    match kind {
        AV_PKT_DATA_DISPLAYMATRIX => {
            let Some(matrix) = bytes.integers::<9>() else { return };
            let mut text = String::from("\n");
            for (row, columns) in matrix.chunks(3).enumerate() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{row:08x}: {:>12}{:>12}{:>12}", columns[0], columns[1], columns[2]);
            }
            section.text("displaymatrix", text);
            section.integer("rotation", rotation(&matrix) as i64);
        }
        AV_PKT_DATA_STEREO3D => {
            let Some([kind, flags]) = bytes.integers() else { return };
            section.text("type", usize::try_from(kind).ok().and_then(|kind| STEREO.get(kind)).map_or("unknown", |name| *name));
            section.integer("inverted", i32::from(flags & INVERTED != 0));
        }
        AV_PKT_DATA_SPHERICAL => spherical(section, bytes, size),
        AV_PKT_DATA_SKIP_SAMPLES => {
            let (Some(start), Some(end), Some(&[why_start, why_end])) = (bytes.u32_le(0), bytes.u32_le(4), data.get(8..10))
            else {
                return;
            };
            section.integer("skip_samples", start);
            section.integer("discard_padding", end);
            section.integer("skip_reason", why_start);
            section.integer("discard_reason", why_end);
        }
        AV_PKT_DATA_MASTERING_DISPLAY_METADATA => {
            let Some(numbers) = bytes.integers::<22>() else { return };
            let mut ratio = |key: &str, index: usize| section.text(key, format!("{}/{}", numbers[index], numbers[index + 1]));
            if numbers[20] != 0 {
                let keys = ["red_x", "red_y", "green_x", "green_y", "blue_x", "blue_y", "white_point_x", "white_point_y"];
                for (index, key) in keys.into_iter().enumerate() {
                    ratio(key, 2 * index);
                }
            }
            if numbers[21] != 0 {
                ratio("min_luminance", 16);
                ratio("max_luminance", 18);
            }
        }
        AV_PKT_DATA_CONTENT_LIGHT_LEVEL => {
            let Some([content, average]) = bytes.integers() else { return };
            section.integer("max_content", content);
            section.integer("max_average", average);
        }
        AV_PKT_DATA_DOVI_CONF => {
            let keys = [
                "dv_version_major",
                "dv_version_minor",
                "dv_profile",
                "dv_level",
                "rpu_present_flag",
                "el_present_flag",
                "bl_present_flag",
                "dv_bl_signal_compatibility_id",
            ];
            for (key, byte) in keys.into_iter().zip(data) {
                section.integer(key, *byte);
            }
        }
        AV_PKT_DATA_AUDIO_SERVICE_TYPE => {
            let Some([kind]) = bytes.integers() else { return };
            section.integer("service_type", kind);
        }
        AV_PKT_DATA_MPEGTS_STREAM_ID => {
            let Some(id) = data.first() else { return };
            section.integer("id", *id);
        }
        AV_PKT_DATA_CPB_PROPERTIES => {
            for (index, key) in ["max_bitrate", "min_bitrate", "avg_bitrate", "buffer_size", "vbv_delay"].into_iter().enumerate()
            {
                let Some(number) = data.get(8 * index..8 * index + 8).and_then(|bytes| bytes.try_into().ok()) else { return };
                section.integer(key, i64::from_ne_bytes(number));
            }
        }
        AV_PKT_DATA_AFD => {
            let Some(format) = data.first() else { return };
            section.integer("active_format", *format);
        }
        _ => {}
    }
}

/// `av_stereo3d_type_name`.
const STEREO: &[&str] = &[
    "2D",
    "side by side",
    "top and bottom",
    "frame alternate",
    "checkerboard",
    "side by side (quincunx subsampling)",
    "interleaved lines",
    "interleaved columns",
];

fn spherical(section: &mut Section, bytes: Bytes<'_>, (width, height): (i32, i32)) {
    let Some([projection, yaw, pitch, roll, left, top, right, bottom, padding]) = bytes.integers() else { return };
    section.text(
        "projection",
        match projection {
            0 => "equirectangular",
            1 => "cubemap",
            2 => "tiled equirectangular",
            _ => "unknown",
        },
    );
    if projection == 1 {
        section.integer("padding", padding);
    }
    if projection == 2 {
        // `av_spherical_tile_bounds`: bounds are 0.32 fixed point of the whole picture.
        let bound = |value: i32| i64::from(value.cast_unsigned());
        let whole = |size: i32, near: i32, far: i32| {
            i64::from(size) * i64::from(u32::MAX) / (i64::from(u32::MAX) - bound(far) - bound(near)).max(1)
        };
        let pixels = |whole: i64, near: i32| (whole * bound(near) + i64::from(u32::MAX) - 1) / i64::from(u32::MAX);
        let (whole_width, whole_height) = (whole(width, left, right), whole(height, top, bottom));
        let (left, top) = (pixels(whole_width, left), pixels(whole_height, top));
        section.integer("bound_left", left);
        section.integer("bound_top", top);
        section.integer("bound_right", whole_width - i64::from(width) - left);
        section.integer("bound_bottom", whole_height - i64::from(height) - top);
    }
    for (key, angle) in [("yaw", yaw), ("pitch", pitch), ("roll", roll)] {
        section.integer(key, angle / (1 << 16));
    }
}

/// Degrees by which the matrix turns a picture counterclockwise (`av_display_rotation_get`); 0 if it is singular.
fn rotation(matrix: &[i32; 9]) -> f64 {
    let fixed = |index: usize| f64::from(matrix[index]) / 65536.0;
    let scale = (fixed(0).hypot(fixed(3)), fixed(1).hypot(fixed(4)));
    if scale.0 == 0.0 || scale.1 == 0.0 {
        return 0.0;
    }
    -(fixed(1) / scale.1).atan2(fixed(0) / scale.0).to_degrees()
}

#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    /// The first `N` numbers of 32 bits in the machine's byte order.
    fn integers<const N: usize>(self) -> Option<[i32; N]> {
        let mut numbers = [0; N];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = i32::from_ne_bytes(self.0.get(4 * index..4 * index + 4)?.try_into().ok()?);
        }
        Some(numbers)
    }

    fn u32_le(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.0.get(at..at + 4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::section::{Label, Value};
    use super::*;

    fn described(kind: AVPacketSideDataType, data: &[u8]) -> Section {
        let mut section = Section::new(Label::record("side_data"));
        describe(&mut section, kind, data, (0, 0));
        section
    }

    #[test]
    fn a_display_matrix_is_a_table_and_an_angle() {
        let matrix: Vec<u8> = [0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30].into_iter().flat_map(i32::to_ne_bytes).collect();
        let section = described(AV_PKT_DATA_DISPLAYMATRIX, &matrix);
        assert_eq!(section.get("rotation"), Some(&Value::Integer(90)));
        let table = "\n00000000:            0      -65536           0\n00000001:        65536           0           0\n\
                     00000002:            0           0  1073741824\n";
        assert_eq!(section.get("displaymatrix"), Some(&Value::Text(table.to_owned())));
    }

    #[test]
    fn short_side_data_says_nothing() {
        for kind in [AV_PKT_DATA_DISPLAYMATRIX, AV_PKT_DATA_SKIP_SAMPLES, AV_PKT_DATA_SPHERICAL, AV_PKT_DATA_MPEGTS_STREAM_ID] {
            assert!(described(kind, &[]).items.is_empty());
        }
    }

    #[test]
    fn skipped_samples_are_counted_at_both_ends() {
        let section = described(AV_PKT_DATA_SKIP_SAMPLES, &[0, 4, 0, 0, 7, 0, 0, 0, 1, 2]);
        assert_eq!(section.get("skip_samples"), Some(&Value::Integer(1024)));
        assert_eq!(section.get("discard_padding"), Some(&Value::Integer(7)));
        assert_eq!(section.get("discard_reason"), Some(&Value::Integer(2)));
    }
}
