/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/clients.h"

#include <stddef.h>
#include <sys/socket.h>

void clients_init(struct clients *clients)
{
    TAILQ_INIT(&clients->list);
    clients->n = 0;
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
void clients_cut_oldest(struct clients *clients)
{
    struct client *oldest = TAILQ_FIRST(&clients->list);

    clients_remove(clients, oldest);
    shutdown(oldest->fd, SHUT_RDWR);
    oldest->fd = -1;
}

void clients_cut_slow(struct clients *clients, int64_t timeout_us, int64_t now_us)
{
    const struct client *oldest;

    while ((oldest = TAILQ_FIRST(&clients->list)) && now_us - oldest->asked_us > timeout_us)
        clients_cut_oldest(clients);
}
