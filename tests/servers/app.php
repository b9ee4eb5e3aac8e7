<?php
// Two pages: who answers, and a request that goes on until the test makes a file.
if ($_SERVER['QUERY_STRING'] === 'wait') {
    file_put_contents(getenv('EVENTS'), 'in-flight ' . getmypid() . "\n", FILE_APPEND);
    // Nothing to wait on but the file; its appearance is what counts.
    while (!file_exists(getenv('RELEASE'))) {
        usleep(10000);
        clearstatcache();
    }
}
header('X-Pid: ' . getmypid());
header('Content-Length: 0');
