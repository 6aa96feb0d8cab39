/* udp_echo PORT [WORD]: answers each datagram with itself, behind WORD; for
 * containers, whose busybox has no UDP. */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    static char bytes[128 * 1024];
    const char *word = argc > 2 ? argv[2] : "";
    size_t length = strlen(word);
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    at.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || length > 1024)
        return 1;
    memcpy(bytes, word, length);
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(fd, bytes + length, sizeof(bytes) - length, 0,
                             (struct sockaddr *)&from, &size);

        if (n >= 0)
            sendto(fd, bytes, length + (size_t)n, 0, (struct sockaddr *)&from,
                   size);
    }
}
