/* The floor in C: what floor.py does, and as little. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, READ_AT_ONCE = 65536, ONE_BYTE_SIZE = 125, TEXT = 0x81, PUBLISHERS = 15 };

static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

struct buffer {
    uint8_t *bytes;
    size_t size, room;
};

static int subscribers[MOST];
static int subscribed = 0;
/* the listener, and behind it the publishers, whose unread bytes are at the same place */
static struct pollfd polled[1 + PUBLISHERS];
static struct buffer unread[1 + PUBLISHERS];
static int in_use = 1;
static struct buffer frames;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint8_t *extend(struct buffer *buffer, size_t by) {
    if (buffer->size + by > buffer->room) {
        buffer->room = 2 * (buffer->size + by);
        buffer->bytes = realloc(buffer->bytes, buffer->room);
        if (!buffer->bytes) fail("realloc");
    }
    return buffer->bytes + buffer->size;
}

static void accept_one(int listener) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) return;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    char head[4096] = "";
    size_t size = 0;
    while (!strstr(head, "\r\n\r\n") && size < sizeof head - 1) {
        ssize_t received = read(connection, head + size, sizeof head - 1 - size);
        if (received <= 0) break;
        size += (size_t)received;
    }
    int publishes = !strncmp(head, "GET /publish ", 13);
    if (!strstr(head, "\r\n\r\n") || (publishes ? in_use > PUBLISHERS : subscribed == MOST)
        || write(connection, upgraded, sizeof upgraded - 1) < 0) {
        close(connection);
    } else if (publishes) {
        unread[in_use].size = 0;
        polled[in_use++] = (struct pollfd){.fd = connection, .events = POLLIN};
    } else {
        subscribers[subscribed++] = connection;
    }
}

/* Takes whole frames out of what a publisher has sent; adds each text to `frames` as a server sends it, unmasked. */
static void take_frames(struct buffer *from) {
    size_t at = 0;
    for (;;) {
        const uint8_t *frame = from->bytes + at;
        size_t left = from->size - at;
        if (left < 2) break;
        uint64_t size = frame[1] & 0x7F;
        size_t start = size > ONE_BYTE_SIZE ? (size == 126 ? 4 : 10) : 2;
        if (left < start + 4) break;
        if (start > 2) {
            size = 0;
            for (size_t place = 2; place < start; place++) size = size << 8 | frame[place];
        }
        if (left - start - 4 < size) break;
        if (frame[0] == TEXT) {
            uint8_t *to = extend(&frames, start + size);
            const uint8_t *key = frame + start, *payload = key + 4;
            memcpy(to, frame, start);
            to[1] &= 0x7F;
            for (size_t place = 0; place < size; place++) to[start + place] = payload[place] ^ key[place & 3];
            frames.size += start + size;
        }
        at += start + 4 + size;
    }
    from->size -= at;
    memmove(from->bytes, from->bytes + at, from->size);
}

static void broadcast(void) {
    for (int place = 0; place < subscribed; place++) {
        if (write(subscribers[place], frames.bytes, frames.size) < 0) {
            close(subscribers[place]);
            subscribers[place--] = subscribers[--subscribed];
        }
    }
    frames.size = 0;
}

static void serve(int publisher) {
    ssize_t received = read(polled[publisher].fd, extend(&unread[publisher], READ_AT_ONCE), READ_AT_ONCE);
    if (received > 0) {
        unread[publisher].size += (size_t)received;
        take_frames(&unread[publisher]);
        if (frames.size) broadcast();
        return;
    }
    close(polled[publisher].fd);
    free(unread[publisher].bytes);
    polled[publisher] = polled[--in_use];
    unread[publisher] = unread[in_use];
    unread[in_use] = (struct buffer){0};
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "floor PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
    polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    puts("listening");
    fflush(stdout);
    for (;;) {
        if (poll(polled, (nfds_t)in_use, -1) < 0) fail("poll");
        for (int place = in_use - 1; place > 0; place--)
            if (polled[place].revents) serve(place);
        if (polled[0].revents) accept_one(listener);
    }
}
