# Writes and reads names of files as printable ASCII, as fstab(5) does: first part of programs that exchange such names.
sub escaped { return $_[0] =~ s/([^\x21-\x5b\x5d-\x7e])/sprintf '\\%03o', ord $1/ger }

sub unescaped { return $_[0] =~ s/\\(\d{3})/chr oct $1/ger }
