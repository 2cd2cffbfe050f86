/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/clients.h"

#include <stddef.h>
#include <sys/socket.h>

void clients_init(struct clients *clients)
{
    *clients = (struct clients){ .n = 0 };
    TAILQ_INIT(&clients->list);
}

void clients_add(struct clients *clients, struct client *client)
{
    TAILQ_INSERT_TAIL(&clients->list, client, link);
    clients->n++;
}

void clients_refresh(struct clients *clients, struct client *client, int64_t now_us)
{
    if (client->fd < 0)
        return;
    TAILQ_REMOVE(&clients->list, client, link);
    TAILQ_INSERT_TAIL(&clients->list, client, link);
    client->asked_us = now_us;
}

void clients_remove(struct clients *clients, struct client *client)
{
    if (client->fd < 0)
        return;
    TAILQ_REMOVE(&clients->list, client, link);
    clients->n--;
}

/* A client leaves the list at once, so that the next new connection cuts another one. */
static void cut(struct clients *clients, struct client *client)
{
    clients_remove(clients, client);
    shutdown(client->fd, SHUT_RDWR);
    client->fd = -1;
    if (clients->on_cut)
        clients->on_cut(clients->self, client);
}

static unsigned count_of(const struct clients *clients, uint64_t address)
{
    const struct client *client = NULL;
    unsigned n = 0;

    TAILQ_FOREACH(client, &clients->list, link)
    {
        n += client->address == address;
    }
    return n;
}

void clients_cut_oldest(struct clients *clients)
{
    struct client *client = NULL, *oldest = TAILQ_FIRST(&clients->list);
    unsigned most = count_of(clients, oldest->address);

    TAILQ_FOREACH(client, &clients->list, link)
    {
        const unsigned n = count_of(clients, client->address);

        if (n > most) {
            most = n;
            oldest = client;
        }
    }
    cut(clients, oldest);
}

void clients_cut_slow(struct clients *clients, int64_t timeout_us, int64_t now_us)
{
    struct client *oldest;

    while ((oldest = TAILQ_FIRST(&clients->list)) && now_us - oldest->asked_us > timeout_us)
        cut(clients, oldest);
}
