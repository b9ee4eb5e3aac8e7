<?php
// Four forked workers that fall at once, each from an error inside another.
class OrderError extends Exception {}

function load_order($order) {
    throw new OutOfBoundsException("nothing under $order");
}

function charge($order) {
    try {
        load_order($order);
    } catch (OutOfBoundsException $error) {
        throw new OrderError("no such order: $order", 0, $error);
    }
}

[$gate, $go] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
for ($i = 0; $i < 4; $i++) {
    if (pcntl_fork() === 0) {
        fclose($go);
        fgets($gate);
        charge('bill');
    }
}
fclose($go);
while (pcntl_wait($status) > 0);
