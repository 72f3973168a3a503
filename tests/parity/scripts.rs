//! Lines as programs and answers on the web have them: wrappers, media servers, broadcasters, post-processing.

/// The rows of the group "scripts": name, then the line.
pub const SCRIPTS: &[(&str, &str)] = &[
    // fluent-ffmpeg, ffmpeg-python, MoviePy
    (
        "fluent-ffmpeg: mp4 for the web",
        "-i v.mp4 -acodec aac -b:a 96k -ar 44100 -ac 2 -vcodec libx264 -b:v 300k -r 24 -filter:v scale=w=128:h=trunc(ow/a/2)*2 -f mp4 -movflags +faststart -threads 1 out.mp4",
    ),
    (
        "fluent-ffmpeg: screenshots",
        r#"-ss 0.5 -i v.mp4 -vframes 1 -filter_complex "scale=w=80:h=trunc(ow/a/2)*2[size0];[size0]split=1[screen0]" -map [screen0] tn.png"#,
    ),
    ("fluent-ffmpeg: merge", r#"-i v.mp4 -i v.mp4 -filter_complex "concat=n=2:v=1:a=1" -c:v mpeg4 out.mkv"#),
    (
        "ffmpeg-python: overlay and trim",
        r#"-i v.mp4 -i cover.jpg -filter_complex "[0]trim=end_frame=10:start_frame=5[s0];[0]trim=end_frame=30:start_frame=20[s1];[s0][s1]concat=n=2[s2];[1]hflip[s3];[s2][s3]overlay=eof_action=repeat[s4];[s4]drawbox=5:5:60:60:red:t=5[s5]" -map [s5] -c:v mpeg4 out.mkv"#,
    ),
    ("ffmpeg-python: frames out", "-i v.mp4 -frames:v 3 -f rawvideo -pix_fmt rgb24 pipe:"),
    (
        "ffmpeg-python: one jpeg out",
        r#"-i v.mp4 -vf select=gte(n\,5) -format image2 -vframes 1 -vcodec mjpeg -f image2pipe pipe:"#,
    ),
    ("speech to text: samples out", "-i v.mp4 -f s16le -acodec pcm_s16le -ac 1 -ar 16000 -"),
    (
        "MoviePy: frames in",
        "-f rawvideo -vcodec rawvideo -s 16x16 -pix_fmt gray -r 5.00 -an -i - -vcodec libx264 -preset medium -pix_fmt yuv420p -threads 1 out.mp4 < noise.raw",
    ),
    (
        "MoviePy: frames out",
        "-ss 0.400000 -i v.mp4 -f image2pipe -vf scale=80:46 -sws_flags bicubic -pix_fmt rgb24 -vcodec rawvideo -",
    ),
    (
        "matplotlib: animation",
        "-f rawvideo -vcodec rawvideo -s 16x16 -pix_fmt gray -framerate 5 -loglevel error -i pipe: -vcodec h264 -pix_fmt yuv420p -metadata artist=Me -y out.mp4 < noise.raw",
    ),
    ("pydub: export", "-f wav -i a.wav -b:a 192k -id3v2_version 4 -metadata album=X -f mp3 out.mp3"),
    ("imageio: samples with offset", "-ss 1.00 -i v.mp4 -ss 0.20 -f image2pipe -pix_fmt rgb24 -vcodec rawvideo -"),
    // yt-dlp, spotdl
    (
        "yt-dlp: merge",
        "-loglevel repeat+info -i file:av.mp4 -i file:a.mp3 -c copy -map 0:v:0 -map 1:a:0 -movflags +faststart file:out.mp4",
    ),
    (
        "yt-dlp: extract audio",
        "-loglevel repeat+info -i file:v.mp4 -vn -acodec libmp3lame -q:a 5.0 -movflags +faststart file:out.mp3",
    ),
    (
        "yt-dlp: fixup m3u8",
        "-loglevel repeat+info -i file:av.ts -map 0 -dn -ignore_unknown -c copy -f mp4 -bsf:a aac_adtstoasc -movflags +faststart file:out.mp4",
    ),
    (
        "yt-dlp: embed thumbnail",
        r#"-i file:a.mp3 -i file:cover.jpg -c copy -map 0:0 -map 1:0 -write_id3v1 1 -id3v2_version 3 -metadata:s:v "title=Album cover" -metadata:s:v "comment=Cover (front)" -movflags +faststart file:out.mp3"#,
    ),
    (
        "yt-dlp: embed subtitles",
        "-i file:av.mp4 -i file:s.srt -map 0 -dn -ignore_unknown -c copy -c:s mov_text -map -0:s -map 1:0 -metadata:s:s:0 language=eng -metadata:s:s:0 handler_name=English -metadata:s:s:0 title=English -movflags +faststart file:out.mp4",
    ),
    (
        "yt-dlp: metadata and chapters",
        r#"-i file:av.mp4 -i file:chapters.txt -map 0 -dn -ignore_unknown -c copy -map_metadata 1 -write_id3v1 1 -metadata "title=A: title" -metadata date=20240101 -metadata "purl=https://example.com/" -movflags +faststart file:out.mp4"#,
    ),
    (
        "yt-dlp: remove sections",
        "-f concat -safe 0 -i list.ffconcat -map 0 -dn -ignore_unknown -c copy -movflags +faststart file:out.mp4",
    ),
    // Jellyfin, Plex, hls players
    (
        "Jellyfin: fmp4 segments",
        r#"-analyzeduration 200M -probesize 1G -f mov,mp4,m4a,3gp,3g2,mj2 -i file:av.mp4 -map_metadata -1 -map_chapters -1 -threads 1 -map 0:0 -map 0:1 -map -0:s -codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 616000 -bufsize 1232000 -profile:v:0 high -level 41 -x264opts:0 subme=0:me_range=4:rc_lookahead=10:me=dia:no_chroma_me:8x8dct=0:partitions=none -force_key_frames:0 "expr:gte(t,n_forced*3)" -vf "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale=trunc(min(max(iw\,ih*a)\,min(128\,72*a))/2)*2:trunc(min(max(iw/a\,ih)\,min(128/a\,72))/2)*2,format=yuv420p" -codec:a:0 aac -ac 2 -ab 128000 -copyts -avoid_negative_ts disabled -max_muxing_queue_size 2048 -f hls -max_delay 5000000 -hls_time 3 -hls_segment_type mpegts -start_number 0 -hls_segment_filename out%d.ts -hls_playlist_type vod -hls_list_size 0 -y out.m3u8"#,
    ),
    (
        "Plex: seek and segment",
        r#"-noaccurate_seek -ss 4 -i av.mp4 -filter_complex "[0:0]scale=w=80:h=44:force_divisible_by=4[0];[0]format=pix_fmts=yuv420p|nv12[1]" -map [1] -codec:0 libx264 -crf:0 23 -maxrate:0 300k -bufsize:0 600k -preset:0 veryfast -threads:0 1 -force_key_frames:0 "expr:gte(t,0+n_forced*1)" -filter_complex "[0:1] aresample=async=1:ocl=stereo:rate=48000[2]" -map [2] -codec:1 aac -b:1 128k -segment_format matroska -f ssegment -individual_header_trailer 0 -segment_header_filename header.mkv -segment_time 1 -segment_start_number 0 -segment_copyts 1 -segment_time_delta 0.0625 -segment_list seg.csv -segment_list_type csv -segment_list_size 2147483647 -avoid_negative_ts disabled -map_metadata -1 -map_chapters -1 media-%05d.mkv -start_at_zero -copyts"#,
    ),
    (
        "hls ladder with names",
        r#"-i v.mp4 -filter_complex "[0:v]split=2[a][b];[a]scale=-2:44[v1];[b]scale=-2:60[v2]" -map [v1] -map [v2] -map 0:a -map 0:a -c:v mpeg2video -c:a mp2 -f hls -hls_time 1 -hls_flags independent_segments -master_pl_name master.m3u8 -hls_segment_filename v%v-%d.ts -var_stream_map "v:0,a:0,name:low v:1,a:1,name:high" v%v.m3u8"#,
    ),
    (
        "OBS: restream to flv",
        "-i v.mp4 -c:v libx264 -preset ultrafast -tune zerolatency -b:v 300k -maxrate 300k -bufsize 600k -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 -c:a aac -b:a 96k -ar 44100 -threads 1 -flvflags no_duration_filesize -f flv out.flv",
    ),
    (
        "restream: tee",
        r#"-i v.mp4 -map 0:v -map 0:a -c:v mpeg4 -c:a mp2 -f tee "[f=mpegts]a.ts|[f=matroska:onfail=ignore]b.mkv""#,
    ),
    ("camera: timelapse", r#"-i v.mp4 -an -vf "select=not(mod(n\,10)),setpts=N/5/TB" -r 5 -c:v mpeg4 out.mkv"#),
    (
        "camera: segments by the clock",
        "-i av.mp4 -c copy -map 0 -f segment -segment_time 4 -reset_timestamps 1 -segment_format mp4 cam-%03d.mp4",
    ),
    // Stack Overflow
    (
        "cut again and keep frames",
        "-ss 00:00:02.500 -to 00:00:05 -i av.mp4 -c:v mpeg4 -c:a copy -avoid_negative_ts make_zero out.mp4",
    ),
    (
        "speed up",
        r#"-i v.mp4 -filter_complex "[0:v]setpts=0.5*PTS[v];[0:a]atempo=2.0[a]" -map "[v]" -map "[a]" -c:v mpeg4 out.mkv"#,
    ),
    ("reverse", "-i v.mp4 -vf reverse -af areverse -c:v mpeg4 -c:a mp2 out.mkv"),
    ("boomerang", r#"-i v.mp4 -filter_complex "[0:v]reverse[r];[0:v][r]concat=n=2:v=1[v]" -map [v] -c:v mpeg4 out.mkv"#),
    (
        "blurred sides",
        r#"-i v.mp4 -filter_complex "[0:v]scale=90:160,boxblur=5:2[bg];[0:v]scale=90:-2[fg];[bg][fg]overlay=(W-w)/2:(H-h)/2" -an -c:v mpeg4 out.mkv"#,
    ),
    (
        "letterbox",
        r#"-i v.mp4 -an -vf "scale=128:128:force_original_aspect_ratio=decrease,pad=128:128:-1:-1:color=black,setsar=1" -c:v mpeg4 out.mkv"#,
    ),
    (
        "slideshow",
        r#"-framerate 1 -i img%d.png -c:v libx264 -threads 1 -r 10 -pix_fmt yuv420p -vf "pad=ceil(iw/2)*2:ceil(ih/2)*2" out.mp4"#,
    ),
    (
        "still with sound",
        "-loop 1 -framerate 5 -i cover.jpg -i short.mp3 -c:v libx264 -threads 1 -tune stillimage -c:a aac -b:a 96k -pix_fmt yuv420p -shortest out.mp4",
    ),
    (
        "still with sound, copied",
        "-loop 1 -r 2 -i cover.jpg -i short.mp3 -shortest -fflags +shortest -max_interleave_delta 100M -c:a copy -c:v mpeg4 out.mkv",
    ),
    (
        "crossfades",
        r#"-i v.mp4 -i v.mp4 -i v.mp4 -filter_complex "[0:v][1:v]xfade=transition=wipeleft:duration=0.4:offset=1.2[x];[x][2:v]xfade=transition=circleopen:duration=0.4:offset=2.4[v];[0:a][1:a]acrossfade=d=0.4[y];[y][2:a]acrossfade=d=0.4[a]" -map [v] -map [a] -c:v mpeg4 out.mkv"#,
    ),
    ("thumbnail sprite", r#"-i av.mp4 -vf "fps=1/2,scale=64:-1,tile=5x1" -frames:v 1 -q:v 5 sprite.jpg"#),
    ("best frames", "-i v.mp4 -vf thumbnail=20,scale=64:-1 -fps_mode vfr -q:v 3 best%d.jpg"),
    ("scene changes", r#"-i change.ts -vf "select=gt(scene\,0.1),scale=64:48" -vsync vfr scene%02d.png"#),
    ("key frames only", "-skip_frame nokey -i v.mp4 -vsync 0 -frame_pts 1 key%d.png"),
    ("one frame as jpeg to a pipe", "-ss 1 -i v.mp4 -frames:v 1 -c:v mjpeg -f image2pipe -"),
    (
        "gif in one pass",
        r#"-ss 0.2 -t 1 -i v.mp4 -filter_complex "[0:v]fps=10,scale=80:-1:flags=lanczos,split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=bayer:bayer_scale=5:diff_mode=rectangle" -loop 0 out.gif"#,
    ),
    (
        "webp",
        "-i v.mp4 -an -vcodec libwebp -filter:v fps=5,scale=64:-1 -lossless 0 -compression_level 3 -q:v 70 -loop 0 -preset picture -vsync 0 out.webp",
    ),
    (
        "fade in and out",
        r#"-i v.mp4 -vf "fade=t=in:st=0:d=0.5,fade=t=out:st=1.5:d=0.5" -af "afade=t=in:d=0.5,afade=t=out:st=1.5:d=0.5" -c:v mpeg4 -c:a mp2 out.mkv"#,
    ),
    (
        "picture in picture",
        r#"-i v.mp4 -i v.mp4 -filter_complex "[1:v]scale=iw/4:-2[p];[0:v][p]overlay=main_w-overlay_w-4:main_h-overlay_h-4:enable='between(t,0.5,1.5)'[v]" -map [v] -map 0:a -c:v mpeg4 -c:a copy out.mkv"#,
    ),
    (
        "chroma key",
        r#"-f lavfi -i color=c=green:s=80x44:d=1 -i v.mp4 -filter_complex "[0:v]colorkey=0x008000:0.3:0.2[k];[1:v]scale=80:44[b];[b][k]overlay=shortest=1[v]" -map [v] -c:v mpeg4 out.mkv"#,
    ),
    (
        "four in a square",
        r#"-i v.mp4 -i v.mp4 -i v.mp4 -i v.mp4 -filter_complex "[0:v][1:v][2:v][3:v]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0[v];[0:a][1:a][2:a][3:a]amerge=inputs=4[a]" -map [v] -map [a] -ac 2 -c:v mpeg4 -c:a mp2 out.mkv"#,
    ),
    (
        "burnt-in subtitles with a style",
        r#"-i v.mp4 -an -vf "subtitles=s.srt:force_style='FontName=DejaVu Sans,FontSize=20,PrimaryColour=&H0000ff&'" -c:v mpeg4 out.mkv"#,
    ),
    ("burnt-in ass", "-ss 1 -i v.mp4 -an -copyts -vf ass=st.ass,setpts=PTS-STARTPTS -c:v mpeg4 out.mkv"),
    (
        "moving text",
        r#"-i v.mp4 -an -vf "drawtext=fontfile=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:text='%{frame_num} %{pict_type}':start_number=1:x=(w-tw)/2:y=h-2*lh-t*5:fontcolor=black:fontsize=14:box=1:boxcolor=white@0.5:boxborderw=5" -c:v mpeg4 out.mkv"#,
    ),
    (
        "waveform",
        r#"-i a.wav -filter_complex "aformat=channel_layouts=mono,compand,showwavespic=s=120x40:colors=white" -frames:v 1 wave.png"#,
    ),
    (
        "spectrum as video",
        r#"-i a.wav -t 1 -filter_complex "[0:a]showspectrum=s=64x48:mode=combined:color=intensity,format=yuv420p[v]" -map [v] -map 0:a -c:v mpeg4 -c:a mp2 out.mkv"#,
    ),
    (
        "ducking",
        r#"-i a.wav -i short.mp3 -filter_complex "[1:a]asplit[sc][mix];[0:a][sc]sidechaincompress=threshold=0.1:ratio=4[c];[c][mix]amix=duration=shortest[a]" -map [a] -c:a pcm_s16le out.wav"#,
    ),
    (
        "mono to two sides",
        r#"-i a.wav -i short.mp3 -filter_complex "[0:a][1:a]join=inputs=2:channel_layout=stereo:map=0.0-FL|1.0-FR[a]" -map [a] -t 2 -c:a flac out.flac"#,
    ),
    (
        "delay and volume",
        r#"-i a.wav -t 2 -af "adelay=500|500,volume=-6dB,highpass=f=200,lowpass=f=3000" -c:a pcm_s16le out.wav"#,
    ),
    ("silence removed", "-i a.wav -t 2 -af silenceremove=1:0:-50dB -c:a pcm_s16le out.wav"),
    (
        "loudnorm, second pass",
        "-i a.wav -t 4 -af loudnorm=I=-16:TP=-1.5:LRA=11:measured_I=-21.1:measured_TP=-17.9:measured_LRA=0.1:measured_thresh=-31.1:offset=0.1:linear=true -ar 48000 -c:a pcm_s16le out.wav",
    ),
    (
        "concat filter of unlike sizes",
        r#"-i part1.ts -i part2.ts -filter_complex "[0:v]setsar=1[a];[1:v]scale=160:90,setsar=1[b];[a][b]concat[v]" -map [v] -c:v mpeg4 out.mkv"#,
    ),
    ("concat protocol of ts", "-i concat:part1.ts|part1.ts -c copy -fflags +genpts out.mp4"),
    ("concat of pictures with durations", "-f concat -i list.ffconcat -vf fps=5,scale=64:-2 -an -c:v mpeg4 -t 3 out.mkv"),
    ("swap audio with a delay", "-i av.mp4 -itsoffset 0.5 -i a.mp3 -map 0:v -map 1:a -c copy -shortest out.mkv"),
    ("add silence", "-f lavfi -i anullsrc=r=44100:cl=stereo -i vfr.mkv -shortest -c:v copy -c:a aac out.mkv"),
    ("rotate flag taken off", "-i rotated.mp4 -c copy -metadata:s:v:0 rotate=0 out.mp4"),
    (
        "HDR tags",
        "-i v.mp4 -an -c:v libx264 -preset ultrafast -threads 1 -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv -x264-params keyint=10 out.mp4",
    ),
    (
        "HDR tags by bitstream filter",
        "-i v.mp4 -an -c copy -bsf:v h264_metadata=colour_primaries=9:transfer_characteristics=16:matrix_coefficients=9 -movflags +write_colr out.mp4",
    ),
    (
        "tone mapping by curves",
        r#"-i v.mp4 -an -vf "curves=preset=lighter,eq=contrast=1.1:saturation=1.2,unsharp" -c:v mpeg4 out.mkv"#,
    ),
    ("timecode track", r#"-i v.mp4 -c:v mpeg4 -an -timecode "10:00:00:00" -metadata:s:v:0 reel_name=R1 out.mov"#),
    (
        "dispositions",
        "-i all.mkv -map 0:v -map 0:a -map 0:s -c copy -disposition:s:0 default+forced -disposition:a 0 -disposition:a:1 default+dub out.mkv",
    ),
    (
        "font attached",
        "-i av.mp4 -attach /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf -metadata:s:t mimetype=application/x-truetype-font -metadata:s:t filename=DejaVuSans.ttf -c copy out.mkv",
    ),
    (
        "chapters edited",
        "-i all.mkv -i chapters.txt -map 0:v -map 0:a:0 -map_metadata 0 -map_chapters 1 -metadata:c:0 title=Opening -c copy out.mkv",
    ),
    (
        "all metadata dropped",
        "-i all.mkv -map 0:v -map 0:a -map_metadata -1 -map_chapters -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -c copy out.mkv",
    ),
    (
        "psnr and ssim at once",
        r#"-i v.mp4 -i v.mp4 -lavfi "[0:v]split[a][b];[1:v]noise=alls=10:allf=t:all_seed=1,split[c][d];[a][c]psnr=stats_file=psnr.txt[e];[b][d]ssim=stats_file=ssim.txt[f];[e]nullsink;[f]nullsink;[0:a]anull[o]" -map [o] -f null -"#,
    ),
    ("metadata printed", "-i v.mp4 -vf signalstats,metadata=print:file=meta.txt -an -f null -"),
    ("frame hashes", "-i v.mp4 -map 0 -f framehash -hash md5 -"),
    ("dvd without a norm", "-i av.avi -target dvd -t 1 out.vob"),
    ("svcd, norm from another input", "-f lavfi -i testsrc2=r=30000/1001:d=1 -i av.avi -map 1:v -target svcd -t 1 out.mpg"),
    ("target without any norm", "-i v.mp4 -target dvd out.vob"),
    ("-benchmark_all", "-benchmark_all -i v.mp4 -an -c:v mpeg4 out.mp4"),
];
