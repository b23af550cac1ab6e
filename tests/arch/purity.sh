#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The pure libraries reach no clock, entropy, file, socket, environment or thread: their undefined symbols tell.
# usage: purity.sh LIB.a …
set -euo pipefail
forbidden='zmq_\w+|mdb_\w+|clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|read|write|pread|pwrite|open|open64|openat|fopen|fopen64|
socket|connect|bind|send|sendto|sendmsg|recv|recvfrom|recvmsg|poll|ppoll|select|epoll_\w+|getrandom|getentropy|rand|random|drand48|
randombytes|randombytes_buf|randombytes_random|randombytes_uniform|crypto_sign_keypair|crypto_box_keypair|getenv|secure_getenv|
pthread_create|fork|execve|posix_spawn|system|printf|puts|putchar|fprintf|vfprintf|fputs|fwrite|stdout|stderr|perror|exit|_exit|signal|sigaction|syslog'
forbidden=$(tr -d '\n ' <<<"$forbidden")
status=0
for lib in "$@"; do
    [ -s "$lib" ] || { echo "purity: $lib is missing"; exit 1; }
    found=$(nm --undefined-only "$lib" 2>/dev/null | awk '/^ *U /{print $2}' | sed 's/@.*//' | sort -u | grep -Ex "$forbidden" || true)
    if [ -n "$found" ]; then
        echo "$(basename "$lib") reaches the world through: $(tr '\n' ' ' <<<"$found")"
        status=1
    fi
done
exit $status
