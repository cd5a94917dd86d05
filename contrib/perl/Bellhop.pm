# SPDX-License-Identifier: BSD-2-Clause
#
# A host application's side of bellhop: tokens for its users, and notices into their tickets. Needs Crypt::JWT,
# and IO::Socket::SSL for https. By hand, with the settings of the demo's env file:
#
#     perl Bellhop.pm T-17 'Your room is ready.'
package Bellhop;

use strict;
use warnings;
use utf8;

use Crypt::JWT qw(encode_jwt);
use Encode qw(decode_utf8);
use HTTP::Tiny;
use JSON::PP;

# A token for a user: who he is, what he may see ('*', or a list of tickets), and for how many seconds.
sub token {
	my ($user, $name, $role, $tickets, $ttl) = @_;
	open my $file, '<:raw', $ENV{BELLHOP_JWT_KEY_FILE} or die "could not read the key: $!\n";
	my $key = do { local $/; <$file> };
	$key =~ s/\n\z//;
	my $now = time;
	return encode_jwt(
		alg => 'HS256', key => $key,
		extra_headers => {typ => 'JWT', kid => $ENV{BELLHOP_JWT_KID} // 'main'},
		payload => {sub => $user, name => $name, role => $role, tickets => $tickets,
			iat => $now, exp => $now + ($ttl // 3600)});
}

# Posts a system message and returns it. $id names it: whoever cannot tell whether it arrived says it again with
# the same id, and it is there once. Dies where it was refused, or nobody answered.
sub notice {
	my ($ticket, $text, $id) = @_;
	my $http = HTTP::Tiny->new(timeout => 10, verify_SSL => 1,
		SSL_options => {$ENV{BELLHOP_CA} ? (SSL_ca_file => $ENV{BELLHOP_CA}) : ()});
	my $url = "$ENV{BELLHOP_URL}/v1/tickets/$ticket/system-messages";
	my $request = {
		headers => {
			'Authorization' => 'Bearer ' . token('site', 'Front desk', 'service', '*', 60),
			'Content-Type' => 'application/json',
		},
		content => encode_json({content => $text, client_msg_id => $id}),
	};
	for my $try (1 .. 5) {
		my $answer = $http->post($url, $request);
		return decode_json($answer->{content}) if $answer->{success};
		# HTTP::Tiny says 599 where nobody answered.
		die "bellhop: $answer->{status} $answer->{content}\n"
			if $answer->{status} != 503 && $answer->{status} != 599 || $try == 5;
		sleep $try;
	}
	return;
}

unless (caller) {
	@ARGV == 2 or die "usage: perl Bellhop.pm TICKET TEXT\n";
	open my $random, '<:raw', '/dev/urandom' or die "could not read random bytes: $!\n";
	read $random, my $bytes, 16;
	my $message = notice($ARGV[0], decode_utf8($ARGV[1]), unpack 'H*', $bytes);
	print "$message->{ticket_id} $message->{seq}\n";
}

1;
