// Loaded into a program that has started already: opens descriptors that are not close-on-exec, as a library
// may do.
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void leak(void) {
  for (int fd = 20; fd < 30; fd++) {
    int directory = open("/", O_RDONLY | O_DIRECTORY);
    dup2(directory, fd);
    close(directory);
  }
}
