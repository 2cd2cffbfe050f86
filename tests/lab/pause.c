// SPDX-License-Identifier: Apache-2.0
/*
 * The one program inside every image of the lab: it waits until it is told to end.
 * With any argument it ends at once, as an init container should.
 */
#include <signal.h>
#include <unistd.h>

static void end_now(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 0;
    signal(SIGTERM, end_now);
    signal(SIGINT, end_now);
    for (;;)
        pause();
}
