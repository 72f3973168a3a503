/* libav's log callback. In C because a va_list has another type on each architecture; what it does with a line is in log.rs. */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <libavutil/log.h>

/* log.rs */
void ffauth_log_event(void *context, int event, int code);
int ffauth_log_prefix(void);
void ffauth_log_line(int level, const char *line, int prefix);

enum { EVENT_HTTP_ERROR, EVENT_REQUEST, EVENT_RECONNECT, EVENT_SEGMENT_FAILED };

static int begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

static void log_callback(void *context, int level, const char *format, va_list arguments)
{
    /* libavformat tells only the log about these; the callback gets every line whatever the level. */
    if (format[0] == 'H' && begins(format, "HTTP error %d")) {
        va_list copy;
        va_copy(copy, arguments);
        ffauth_log_event(context, EVENT_HTTP_ERROR, va_arg(copy, int));
        va_end(copy);
    } else if (format[0] == 'r' && begins(format, "request: %s")) {
        ffauth_log_event(context, EVENT_REQUEST, 0);
    } else if (format[0] == 'W' && begins(format, "Will reconnect at")) {
        ffauth_log_event(context, EVENT_RECONNECT, 0);
    } else if (format[0] == 'F' && begins(format, "Failed to open segment %")) {
        /* hls.c */
        va_list copy;
        va_copy(copy, arguments);
        ffauth_log_event(context, EVENT_SEGMENT_FAILED, (int)va_arg(copy, int64_t));
        va_end(copy);
    }
    /* The higher bits are a colour. */
    if (level >= 0)
        level &= 0xff;
    if (level > av_log_get_level())
        return;
    char line[16384];
    int prefix = ffauth_log_prefix();
    av_log_format_line2(context, level, format, arguments, line, sizeof(line), &prefix);
    ffauth_log_line(level, line, prefix);
}

void ffauth_install_log_callback(void) { av_log_set_callback(log_callback); }
