# A reload that ends when the new configuration is in force, and fails with HAProxy's words where it is not: the signal
# alone always succeeds, also where no socket can be bound and the old process goes on. Written by weft.vpc.
# Usage: reload-haproxy.pl PID-OF-THE-MASTER
use strict;
use warnings;
use IO::Socket::UNIX;

# How many reloads the master has behind it, and how many of the last ones failed; nothing while it reloads.
sub reloads {
    my $socket = IO::Socket::UNIX->new('/run/haproxy-master.sock') or return;
    print {$socket} "show proc\n" or return;
    local $SIG{ALRM} = sub { die "HAProxy's master does not answer.\n" };
    alarm 10;
    my @found;
    # The master does not hang up when it has answered.
    while ( !@found && defined( $_ = <$socket> ) ) {
        @found = ( $1, $2 // 0 ) if /^\d+\s+master\s+(\d+)(?: \[failed: (\d+)\])?/;
    }
    alarm 0;
    return @found;
}

my ($before) = reloads() or die "HAProxy's master cannot be asked.\n";
kill 'USR2', $ARGV[0] or die "HAProxy's master cannot be told: $!\n";
my $limit = time + 60;
while ( time < $limit ) {
    my ( $after, $failed ) = reloads();
    if ( defined $after && $after > $before ) {
        die "HAProxy could not take the new configuration and goes on with the old one.\n" if $failed;
        exit 0;
    }
    select undef, undef, undef, 0.02;
}
die "HAProxy has not reloaded within 60 s.\n";
