# Before a reload: which backends are down, for the new process, which would take all for well. Written by weft.vpc.
# What the new configuration says otherwise (another address or port) is left out.
use strict;
use warnings;
use IO::Socket::UNIX;

my ( %wanted, $proxy );
open my $configuration, '<', '/etc/haproxy/haproxy.cfg' or die "haproxy.cfg: $!\n";
while (<$configuration>) {
    $proxy = $2 if /^(listen|backend) (\S+)/;
    $wanted{"$proxy $1 $2 $3"} = 1 if /^ +server (\S+) ([0-9.]+):([0-9]+)/;
}

my $socket = IO::Socket::UNIX->new('/run/haproxy/admin.sock') or exit 0;
print {$socket} "show servers state\n";
my @kept;
while (<$socket>) {
    my @field = split;
    push @kept, $_ if @field < 19 || /^#/ || ( $field[5] eq '0' && $wanted{"$field[1] $field[3] $field[4] $field[18]"} );
}

umask 077;
open my $state, '>', '/run/haproxy/servers.new' or die "servers.new: $!\n";
print {$state} @kept;
close $state or die "servers.new: $!\n";
rename '/run/haproxy/servers.new', '/run/haproxy/servers' or die "servers: $!\n";
