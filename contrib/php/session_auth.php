<?php
// SPDX-License-Identifier: BSD-2-Clause
//
// Tells nginx who is logged in, out of your site's own PHP session; see nginx/bellhop_auth.conf. Copy it
// to /var/www/bellhop/: it is no page of your site, and nobody else need be able to call it.
//
// What it reads, your login has put there:
//
//     $_SESSION['user']      user id, 1 to 64 of A-Z a-z 0-9 . _ @ -
//     $_SESSION['name']      display name, if you like; at most 128 bytes of UTF-8
//     $_SESSION['role']      requester (so it is without one), agent, service or admin
//     $_SESSION['tickets']   list of ticket ids, or '*'; without it, those that the user takes part in
//
// Where yours are called otherwise, or come from a database, change bellhop_person() alone.
//
// It reads the session and lets go of it at once, but has to wait for a page of yours that keeps its
// own open: let slow pages call session_write_close(). Being asked does not prolong a session, so PHP
// forgets one after session.gc_maxlifetime without a page of your site.

/** Who is logged in, by the names of bellhop's parameters; null: nobody is. */
function bellhop_person(array $session): ?array
{
    if (!isset($session['user'])) {
        return null;
    }
    return [
        'USER' => $session['user'],
        'ROLE' => $session['role'] ?? 'requester',
        'NAME' => $session['name'] ?? null,
        'TICKETS' => $session['tickets'] ?? null,
    ];
}

/** The values as text, absent ones left out. Throws at one that could be taken for something else. */
function bellhop_values(array $person): array
{
    $forms = [
        'USER' => '/\A[A-Za-z0-9._@-]{1,64}\z/',
        'ROLE' => '/\A(requester|agent|service|admin)\z/',
        'NAME' => '/\A[^\x00-\x1f\x7f]{1,128}\z/',
        'TICKETS' => '/\A(\*|[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(,[A-Za-z0-9_-][A-Za-z0-9._-]{0,63})*)\z/',
    ];
    if (is_array($person['TICKETS'])) {
        foreach ($person['TICKETS'] as $ticket) {
            // A list of one "*" is no "*", and "T-1,T-2" is no ticket.
            if (!is_scalar($ticket) || strpbrk((string) $ticket, '*,') !== false) {
                throw new UnexpectedValueException('TICKETS');
            }
        }
        $person['TICKETS'] = implode(',', $person['TICKETS']);
    }
    $values = [];
    foreach ($forms as $name => $form) {
        $value = $person[$name] ?? '';
        if ($value === '') {
            continue;
        }
        if (!is_scalar($value) || !preg_match($form, (string) $value)) {
            throw new UnexpectedValueException($name);
        }
        $values[$name] = $value;
    }
    return $values;
}

/** The session as it is; without a cookie none is made. */
function bellhop_session(): array
{
    if (!is_string($_COOKIE[session_name()] ?? null)) {
        return [];
    }
    session_cache_limiter('');
    session_start(['read_and_close' => true, 'use_strict_mode' => true, 'use_only_cookies' => true,
                   'use_trans_sid' => false]);
    return $_SESSION;
}

header('Cache-Control: no-store');
try {
    $person = bellhop_person(bellhop_session());
    $values = $person === null ? [] : bellhop_values($person);
} catch (UnexpectedValueException $e) {
    // Half an identity is none; the value itself is not for a log.
    error_log("bellhop: the session's {$e->getMessage()} is malformed");
    http_response_code(500);
    exit;
}
if (!isset($values['USER'])) {
    http_response_code(401);
    exit;
}
foreach ($values as $name => $value) {
    header('X-Bellhop-' . ucfirst(strtolower($name)) . ": $value");
}
http_response_code(204);
