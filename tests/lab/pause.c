// SPDX-License-Identifier: Apache-2.0
/*
 * The program in every image of the lab. It waits for a signal to stop. With any
 * argument it exits at once, like an init container.
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
