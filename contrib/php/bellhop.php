<?php
// SPDX-License-Identifier: BSD-2-Clause
//
// A host application's side of bellhop: tokens for its users, notices into their tickets, and the end of
// their streams when they leave. Needs no extension but openssl, and that only for https. By hand, with the settings of the demo's env file:
//
//     php bellhop.php T-17 'Your room is ready.'

/** A token for a user: who he is, what he may see, and for how long. */
function bellhop_token(string $user, string $name, string $role, array|string $tickets, int $ttl = 3600): string
{
    $key = preg_replace('/\n\z/', '', file_get_contents(getenv('BELLHOP_JWT_KEY_FILE')));
    $head = ['alg' => 'HS256', 'typ' => 'JWT', 'kid' => getenv('BELLHOP_JWT_KID') ?: 'main'];
    $body = ['sub' => $user, 'name' => $name, 'role' => $role, 'tickets' => $tickets,
             'iat' => time(), 'exp' => time() + $ttl];
    $base64url = fn (string $bytes) => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    $signed = $base64url(json_encode($head)) . '.' . $base64url(json_encode($body));
    return $signed . '.' . $base64url(hash_hmac('sha256', $signed, $key, true));
}

/**
 * Posts to bellhop as your site and returns the answer. Says again what may have failed, which is right for
 * what counts once however often it is said. Throws where it was refused, or nobody answered.
 */
function bellhop_post(string $path, array $body): ?array
{
    $token = bellhop_token('site', 'Front desk', 'service', '*', 60);
    $request = stream_context_create([
        'http' => ['method' => 'POST', 'timeout' => 10, 'ignore_errors' => true,
                   'header' => ["Authorization: Bearer $token", 'Content-Type: application/json'],
                   'content' => json_encode($body)],
        'ssl' => getenv('BELLHOP_CA') ? ['cafile' => getenv('BELLHOP_CA')] : [],
    ]);
    for ($try = 1; ; $try++) {
        $answer = @file_get_contents(getenv('BELLHOP_URL') . $path, false, $request);
        $status = $answer === false ? 503 : (int) explode(' ', $http_response_header[0])[1];
        if ($status < 300) {
            return json_decode($answer, true);
        }
        if ($status !== 503 || $try === 5) {
            throw new RuntimeException("bellhop: $status " . ($answer ?: 'no answer'));
        }
        sleep($try);
    }
}

/**
 * Posts a system message and returns it. $id names it: whoever cannot tell whether it arrived says it again
 * with the same id, and it is there once.
 */
function bellhop_notice(string $ticket, string $text, string $id): array
{
    $path = '/v1/tickets/' . rawurlencode($ticket) . '/system-messages';
    return bellhop_post($path, ['content' => $text, 'client_msg_id' => $id]);
}

/** Ends the user's open streams, and every token issued until now; for your logout. */
function bellhop_logged_out(string $user): void
{
    bellhop_post('/v1/revocations', ['user_id' => $user]);
}

if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    if ($argc !== 3) {
        fwrite(STDERR, "usage: php bellhop.php TICKET TEXT\n");
        exit(2);
    }
    $message = bellhop_notice($argv[1], $argv[2], bin2hex(random_bytes(16)));
    echo "{$message['ticket_id']} {$message['seq']}\n";
}
