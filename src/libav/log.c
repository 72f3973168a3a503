/* libav's log callback. In C because a va_list has another type on each architecture; what it does with a line is in log.rs. */
#include <stdarg.h>
#include <inttypes.h>
#include <string.h>

#include <libavutil/log.h>

/* log.rs */
void ffauth_log_event(void *context, int event, int64_t number, int playlist, const char *text);
int ffauth_log_level(void);
int ffauth_log_prefix(void);
void ffauth_log_line(int level, const char *line, int prefix);

enum event {
    HTTP_ERROR,
    REQUEST,
    RECONNECT,
    SEGMENT_ASKED,
    SEGMENT_FAILED,
    SECTION_FAILED,
    SEGMENTS_EXPIRED,
    DASH_SECTION_FAILED,
    HEADER,
    NOTHING,
};

static int begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* What libavformat tells only the log: http.c about requests, hls.c and dashdec.c about segments. The arguments are those of its formats. */
static void tell_event(void *context, const char *format, va_list arguments)
{
    enum event event = NOTHING;
    int64_t number = 0;
    int playlist = 0;
    const char *text = NULL;
    switch (format[0]) {
    case 'h':
        if (begins(format, "header='%s'")) {
            event = HEADER;
            text = va_arg(arguments, const char *);
        }
        break;
    case 'H':
        if (begins(format, "HTTP error %d")) {
            event = HTTP_ERROR;
            number = va_arg(arguments, int);
        } else if (begins(format, "HLS request for url '%s', offset %" PRId64 ", playlist %d")) {
            event = SEGMENT_ASKED;
            text = va_arg(arguments, const char *);
            number = va_arg(arguments, int64_t);
            playlist = va_arg(arguments, int);
        }
        break;
    case 'r':
        if (begins(format, "request: %s"))
            event = REQUEST;
        break;
    case 'W':
        if (begins(format, "Will reconnect at"))
            event = RECONNECT;
        break;
    case 'F':
        if (begins(format, "Failed to open segment %" PRId64 " of playlist %d")) {
            event = SEGMENT_FAILED;
            number = va_arg(arguments, int64_t);
            playlist = va_arg(arguments, int);
        } else if (begins(format, "Failed to open an initialization section in playlist %d")) {
            event = SECTION_FAILED;
            playlist = va_arg(arguments, int);
        } else if (!strcmp(format, "Failed to open an initialization section\n")) {
            event = DASH_SECTION_FAILED;
        }
        break;
    case 's':
        if (begins(format, "skipping %" PRId64 " segments ahead, expired")) {
            event = SEGMENTS_EXPIRED;
            number = va_arg(arguments, int64_t);
        }
        break;
    }
    if (event != NOTHING)
        ffauth_log_event(context, event, number, playlist, text);
}

static void log_callback(void *context, int level, const char *format, va_list arguments)
{
    /* The callback gets every line whatever the level. */
    va_list copy;
    va_copy(copy, arguments);
    tell_event(context, format, copy);
    va_end(copy);
    /* The higher bits are a colour. */
    if (level >= 0)
        level &= 0xff;
    if (level > ffauth_log_level())
        return;
    char line[16384];
    int prefix = ffauth_log_prefix();
    av_log_format_line2(context, level, format, arguments, line, sizeof(line), &prefix);
    ffauth_log_line(level, line, prefix);
}

void ffauth_install_log_callback(void) { av_log_set_callback(log_callback); }
