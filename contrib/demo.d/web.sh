# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Part of contrib/demo: the certificate, and nginx, lighttpd or Apache in front, made from the same
# files that an operator includes.

# A certificate authority that signs one certificate and is then forgotten: its key is deleted,
# so whoever trusts ca.pem trusts this demo and nothing else.
web_make_certificate() {
	local tmp
	[[ -s $DIR/ca.pem && -s $DIR/secret/tls.pem ]] &&
		openssl x509 -in "$DIR/secret/tls.pem" -noout -checkend 86400 >/dev/null && return 0
	tmp=$(mktemp -d "$DIR/secret/ca-XXXXXX") || fail "could not write to $DIR/secret"
	if ! web_sign_certificate "$tmp" >"$DIR/log/openssl.log" 2>&1; then
		rm -rf "$tmp"
		fail "could not make a certificate; see $DIR/log/openssl.log"
	fi
	cat "$tmp/server.pem" "$tmp/server.key" >"$DIR/secret/tls.pem"
	mv "$tmp/ca.pem" "$DIR/ca.pem"
	rm -rf "$tmp"
}

web_sign_certificate() {
	local curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
	openssl req -x509 "${curve[@]}" -keyout "$1/ca.key" -out "$1/ca.pem" -days 3650 \
		-subj "/CN=bellhop demo $(date +%F) ${1##*-}" \
		-addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
		-addext 'keyUsage=critical,keyCertSign' || return 1
	openssl req "${curve[@]}" -keyout "$1/server.key" -out "$1/server.csr" \
		-subj '/CN=localhost' || return 1
	printf '%s\n' 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
		'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
		'extendedKeyUsage=serverAuth' 'subjectKeyIdentifier=hash' \
		'authorityKeyIdentifier=keyid' >"$1/extensions"
	openssl x509 -req -in "$1/server.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial \
		-days 365 -extfile "$1/extensions" -out "$1/server.pem"
}

# has_ipv6: whether the loopback interface has ::1.
has_ipv6() {
	grep -qs '^00000000000000000000000000000001 ' /proc/net/if_inet6
}

# copy_config FILE: an operator's file with this demo's sockets and path.
copy_config() {
	sed -e "s|/run/bellhop/|$SOCKETS/|g" -e "s|/chat/|$BASE_PATH/|g" "$1"
}

# What the page needs to know. JSON, so that no other site can load it as a script.
web_write_page_settings() {
	cat >"$DIR/web/config.json" <<-END
		{
		  "base": "$BASE_PATH",
		  "ticket": "T-1",
		  "people": [
		    {"as": "agent", "id": "alice", "name": "Alice", "role": "agent", "token": "$TOKEN_AGENT"},
		    {"as": "requester", "id": "bob", "name": "Bob", "role": "requester", "token": "$TOKEN_REQUESTER"}
		  ]
		}
	END
}

web_start() {
	is_running nginx && return 0
	web_write_page_settings
	# shellcheck disable=SC2154 # an option of contrib/demo
	"${server}_write_config"
	"${server}_start"
}

# Several push processes, as the comment in the file says.
nginx_spread() {
	local name servers=''
	# shellcheck disable=SC2154 # an option of contrib/demo
	if ((pushes == 1)); then
		cat
		return
	fi
	for name in $(bellhop_pushes); do
		servers+="server unix:$SOCKETS/$name.sock max_fails=0; "
	done
	# shellcheck disable=SC2016 # nginx's variables
	sed -e "s|^\tserver unix:.*/push\.sock;|\thash \$bellhop_push_key consistent; $servers|"
	# shellcheck disable=SC2016
	echo 'map $bellhop_ticket $bellhop_push_key { "" $request_id; default $bellhop_ticket; }'
}

nginx_write_config() {
	local user='' listen6=''
	mkdir -p "$DIR/web/bellhop" "$DIR/web/tmp"
	# This server is bellhop's alone, so it may say everything that nginx refuses in bellhop's form.
	copy_config "$SOURCE_DIR/nginx/bellhop.conf" | sed 's|^#include bellhop/bellhop_refused|include bellhop/bellhop_refused|' \
		>"$DIR/web/bellhop/bellhop.conf"
	copy_config "$SOURCE_DIR/nginx/bellhop_refused.conf" >"$DIR/web/bellhop/bellhop_refused.conf"
	copy_config "$SOURCE_DIR/nginx/bellhop_http.conf" | nginx_spread >"$DIR/web/bellhop/bellhop_http.conf"
	cp "$SOURCE_DIR/nginx/bellhop_params" "$DIR/web/bellhop/bellhop_params"
	# shellcheck disable=SC2016 # nginx's variables
	sed 's|\$http_authorization |$demo_authorization |' "$SOURCE_DIR/nginx/bellhop_params" \
		>"$DIR/web/bellhop/demo_params"
	[[ $(id -u) == 0 ]] && user='user root;'
	has_ipv6 && listen6="listen [::1]:$HTTPS_PORT ssl http2;"
	cat >"$DIR/web/nginx.conf" <<-END
		# Written by contrib/demo; nginx includes the files that an operator includes.
		$user
		worker_processes auto;
		worker_rlimit_nofile $(ulimit -Sn);
		daemon off;
		pid $DIR/run/nginx.pid;
		error_log $DIR/log/nginx.log notice;
		events {
			worker_connections $(($(ulimit -Sn) / 2));
		}
		http {
			access_log $DIR/log/access.log;
			client_body_temp_path $DIR/web/tmp/body;
			fastcgi_temp_path $DIR/web/tmp/fastcgi;
			proxy_temp_path $DIR/web/tmp/proxy;
			uwsgi_temp_path $DIR/web/tmp/uwsgi;
			scgi_temp_path $DIR/web/tmp/scgi;
			server_tokens off;
			tcp_nodelay on;
			keepalive_requests 100000;
			types {
				text/html html;
				text/css css;
				text/javascript js;
				application/json json;
				image/svg+xml svg;
			}
			charset utf-8;
			charset_types text/css text/javascript;

			include bellhop/bellhop_http.conf;

			# THE DEMO'S ALONE: EventSource cannot send a header, and two people share this
			# page and its cookies. So the stream's address says who listens, and this
			# server adds that person's token. Never do this on a site of yours: there the
			# session cookie says who it is.
			map \$arg_as \$demo_authorization {
				default   \$http_authorization;
				agent     "Bearer $TOKEN_AGENT";
				requester "Bearer $TOKEN_REQUESTER";
			}

			server {
				listen 127.0.0.1:$HTTPS_PORT ssl http2;
				$listen6
				listen 127.0.0.1:$PLAIN_PORT;
				server_name localhost;
				ssl_certificate $DIR/secret/tls.pem;
				ssl_certificate_key $DIR/secret/tls.pem;
				ssl_protocols TLSv1.2 TLSv1.3;
				ssl_session_cache shared:tls:1m;

				include bellhop/bellhop.conf;

				location = $BASE_PATH/v1/tickets/T-1/stream {
					include bellhop/demo_params;
					fastcgi_pass_request_headers off;
					fastcgi_pass bellhop_push;
					fastcgi_buffering off;
					fastcgi_read_timeout 90s;
					gzip off;
					error_page 502 504 =200 @bellhop_stream_away;
				}

				location / {
					root $SOURCE_DIR/contrib/widget;
					add_header Cache-Control no-store;
					add_header X-Content-Type-Options nosniff;
					add_header Cross-Origin-Resource-Policy same-origin;
					add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'";
				}
				location = /config.json {
					root $DIR/web;
					add_header Cache-Control no-store;
					add_header X-Content-Type-Options nosniff;
					add_header Cross-Origin-Resource-Policy same-origin;
				}
			}
		}
	END
}

nginx_start() {
	local nginx
	nginx=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx) || fail 'nginx is not installed'
	"$nginx" -t -q -c "$DIR/web/nginx.conf" -e stderr 2>>"$DIR/log/nginx.log" ||
		fail "nginx refuses its configuration; see $DIR/log/nginx.log"
	start_process nginx "$nginx" -c "$DIR/web/nginx.conf" -e "$DIR/log/nginx.log"
}

lighttpd_write_config() {
	local listen6=''
	mkdir -p "$DIR/web/tmp"
	copy_config "$SOURCE_DIR/contrib/lighttpd/bellhop.conf" |
		sed "s|/etc/lighttpd/|$SOURCE_DIR/contrib/lighttpd/|" >"$DIR/web/bellhop.conf"
	has_ipv6 && listen6="\$SERVER[\"socket\"] == \"[::1]:$HTTPS_PORT\" { ssl.engine = \"enable\" }"
	cat >"$DIR/web/lighttpd.conf" <<-END
		# Written by contrib/demo; lighttpd includes the file that an operator includes.
		server.modules = ( "mod_access", "mod_alias", "mod_accesslog", "mod_setenv", "mod_openssl" )
		server.document-root = "$SOURCE_DIR/contrib/widget"
		server.bind = "127.0.0.1"
		server.port = $PLAIN_PORT
		server.pid-file = "$DIR/run/lighttpd.pid"
		server.errorlog = "$DIR/log/lighttpd.log"
		accesslog.filename = "$DIR/log/access.log"
		server.upload-dirs = ( "$DIR/web/tmp" )
		server.max-fds = $(ulimit -Sn)
		server.max-connections = $(($(ulimit -Sn) / 2))
		server.max-keep-alive-requests = 100000
		server.tag = "lighttpd"
		index-file.names = ( "index.html" )
		mimetype.assign = (
			".html" => "text/html; charset=utf-8",
			".css"  => "text/css; charset=utf-8",
			".js"   => "text/javascript; charset=utf-8",
			".json" => "application/json",
			".svg"  => "image/svg+xml"
		)
		ssl.pemfile = "$DIR/secret/tls.pem"
		ssl.openssl.ssl-conf-cmd = ( "MinProtocol" => "TLSv1.2" )
		\$SERVER["socket"] == "127.0.0.1:$HTTPS_PORT" { ssl.engine = "enable" }
		$listen6

		include "bellhop.conf"

		# THE DEMO'S ALONE: EventSource cannot send a header, and two people share this page and
		# its cookies. So the stream's address says who listens, and this server adds that person's
		# token. Never do this on a site of yours: there the session cookie says who it is.
		\$HTTP["url"] == "$BASE_PATH/v1/tickets/T-1/stream" {
			\$HTTP["querystring"] =~ "(?:^|&)as=agent(?:&|$)" {
				setenv.set-request-header = ( "Authorization" => "Bearer $TOKEN_AGENT" )
			}
			else \$HTTP["querystring"] =~ "(?:^|&)as=requester(?:&|$)" {
				setenv.set-request-header = ( "Authorization" => "Bearer $TOKEN_REQUESTER" )
			}
		}
		alias.url = ( "/config.json" => "$DIR/web/config.json" )
		\$HTTP["url"] !~ "^$BASE_PATH/" {
			setenv.set-response-header = (
				"Cache-Control" => "no-store",
				"X-Content-Type-Options" => "nosniff",
				"Cross-Origin-Resource-Policy" => "same-origin",
				"Content-Security-Policy" => "default-src 'self'; frame-ancestors 'none'"
			)
		}
	END
}

# The web server's process id is in nginx.pid whichever server it is, and in lighttpd.pid too.
lighttpd_start() {
	local lighttpd
	lighttpd=$(PATH=$PATH:/usr/sbin:/sbin command -v lighttpd) || fail 'lighttpd is not installed'
	"$lighttpd" -tt -f "$DIR/web/lighttpd.conf" >>"$DIR/log/lighttpd.log" 2>&1 ||
		fail "lighttpd refuses its configuration; see $DIR/log/lighttpd.log"
	start_process nginx "$lighttpd" -D -f "$DIR/web/lighttpd.conf"
}

# What contrib/apache/bellhop.conf asks for, and what a site has.
APACHE_MODULES=(
	alias asis buffer headers proxy proxy_fcgi unique_id
	authz_core deflate dir env filter http2 mime mpm_event reqtimeout ssl
)

apache_write_config() {
	local name listen6='' address6=''
	mkdir -p "$DIR/web/bellhop" "$DIR/web/tmp"
	# Threads for a thousand listeners, and some for the page.
	copy_config "$SOURCE_DIR/contrib/apache/bellhop.conf" |
		sed -e "s|/etc/apache2/bellhop/|$DIR/web/bellhop/|" -e 's/\bmax=16\b/max=250/' >"$DIR/web/bellhop/bellhop.conf"
	cp "$SOURCE_DIR/contrib/apache/stream_away.asis" "$DIR/web/bellhop/"
	has_ipv6 && listen6="Listen [::1]:$HTTPS_PORT" address6="[::1]:$HTTPS_PORT"
	{
		echo '# Written by contrib/demo; Apache includes the files that an operator includes.'
		for name in "${APACHE_MODULES[@]}"; do
			echo "LoadModule ${name}_module /usr/lib/apache2/modules/mod_$name.so"
		done
	} >"$DIR/web/apache.conf"
	cat >>"$DIR/web/apache.conf" <<-END
		ServerName localhost
		ServerTokens Prod
		Listen 127.0.0.1:$HTTPS_PORT
		$listen6
		Listen 127.0.0.1:$PLAIN_PORT
		PidFile $DIR/run/apache.pid
		DefaultRuntimeDir $DIR/web/tmp
		ErrorLog $DIR/log/apache.log
		CustomLog $DIR/log/access.log "%h %l %u %t \"%r\" %>s %b"
		StartServers 2
		ServerLimit 4
		ThreadLimit 300
		ThreadsPerChild 300
		MaxRequestWorkers 1200
		MaxKeepAliveRequests 0
		RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500
		SSLProtocol -all +TLSv1.2 +TLSv1.3
		SSLSessionCache none
		SSLCertificateFile $DIR/secret/tls.pem
		TypesConfig /dev/null
		AddType text/html .html
		AddType text/css .css
		AddType text/javascript .js
		AddType application/json .json
		AddType image/svg+xml .svg
		AddCharset utf-8 .html .css .js

		<Directory />
			AllowOverride None
			Require all denied
		</Directory>
		DocumentRoot $SOURCE_DIR/contrib/widget
		<Directory $SOURCE_DIR/contrib/widget>
			Require all granted
			Header set Cache-Control no-store
			Header set X-Content-Type-Options nosniff
			Header set Cross-Origin-Resource-Policy same-origin
			Header set Content-Security-Policy "default-src 'self'; frame-ancestors 'none'"
		</Directory>
		Alias /config.json $DIR/web/config.json
		<Location /config.json>
			Require all granted
			Header set Cache-Control no-store
			Header set X-Content-Type-Options nosniff
			Header set Cross-Origin-Resource-Policy same-origin
		</Location>

		<VirtualHost 127.0.0.1:$HTTPS_PORT $address6>
			SSLEngine on
			Protocols h2 http/1.1
			Include $DIR/web/bellhop/bellhop.conf
			Include $DIR/web/bellhop/demo.conf
		</VirtualHost>
		<VirtualHost 127.0.0.1:$PLAIN_PORT>
			Include $DIR/web/bellhop/bellhop.conf
			Include $DIR/web/bellhop/demo.conf
		</VirtualHost>
	END
	cat >"$DIR/web/bellhop/demo.conf" <<-END
		# THE DEMO'S ALONE: EventSource cannot send a header, and two people share this page and
		# its cookies. So the stream's address says who listens, and this server adds that person's
		# token. Never do this on a site of yours: there the session cookie says who it is.
		<Location "$BASE_PATH/v1/tickets/T-1/stream">
			<If "%{QUERY_STRING} =~ /(?:^|&)as=agent(?:&|$)/">
				RequestHeader set Authorization "Bearer $TOKEN_AGENT"
			</If>
			<If "%{QUERY_STRING} =~ /(?:^|&)as=requester(?:&|$)/">
				RequestHeader set Authorization "Bearer $TOKEN_REQUESTER"
			</If>
		</Location>
	END
}

# Apache does not serve as root; its pid is in nginx.pid and in apache.pid.
apache_start() {
	local apache
	apache=$(PATH=$PATH:/usr/sbin:/sbin command -v apache2) || fail 'Apache is not installed'
	# One that was killed left it behind, and the number may be another's by now.
	rm -f "$DIR/run/apache.pid"
	# shellcheck disable=SC2016 # for the shell of that user
	become www-data sh -c ': >"$0" && rm "$0"' "$DIR/run/apache.try"
	"${AS_USER[@]}" "$apache" -t -f "$DIR/web/apache.conf" >>"$DIR/log/apache.log" 2>&1 ||
		fail "Apache refuses its configuration; see $DIR/log/apache.log"
	start_process nginx "${AS_USER[@]}" "$apache" -D FOREGROUND -f "$DIR/web/apache.conf"
}
