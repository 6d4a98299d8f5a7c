"""The table of verbs: the flags each one takes, as the Go command of the same name does."""

from gateway.cli.nncp.flags import Flag, Kind, Verb, signed, switch, text, unsigned
from gateway.config.nncp import DEFAULT_PATH

CFG = text("cfg", "Read the configuration from this file", DEFAULT_PATH)
SPOOL = text("spool", "Spool directory, instead of the configured one")
LOG = text("log", "Log file (or FD:N), instead of the configured one")
QUIET = switch("quiet", "Print nothing but fatal errors")
PROGRESS = switch("progress", "Show progress")
NOPROGRESS = switch("noprogress", "Show no progress")
DEBUG = switch("debug", "Print debug records")
NODE = text("node", "Only this node")
VIA = text("via", "Route through these nodes (comma-separated; - for none)")
INFO = (switch("version", "Print the version"), switch("warranty", "Print licence and warranty"))
LOGGING: tuple[Flag, ...] = (CFG, SPOOL, LOG, QUIET, PROGRESS, NOPROGRESS, DEBUG, *INFO)

AUTOTOSS = (
    switch("autotoss", "Toss what arrives, while the session goes on"),
    switch("autotoss-seen", "Mark tossed packets as seen"),
    switch("autotoss-gen-ack", "Acknowledge every packet that is tossed"),
    switch("autotoss-nofile", "Do not toss packets of type file"),
    switch("autotoss-nofreq", "Do not toss packets of type freq"),
    switch("autotoss-noexec", "Do not toss packets of type exec"),
    switch("autotoss-notrns", "Do not toss packets to be relayed"),
    switch("autotoss-noarea", "Do not toss packets of type area"),
    switch("autotoss-noack", "Do not toss packets of type ack"),
)

_ALLOWED_NICE = text("nice", "Leave packets alone whose niceness is above this", "MAX")

CFGNEW = Verb(
    "cfgnew",
    "make new keys and a configuration around them",
    ("[options]",),
    (
        text("area", "Make the keys of an area with this name instead"),
        switch("nocomments", "Leave the explaining comments out"),
        switch("yggdrasil", "Make Yggdrasil keys (not supported)"),
        *INFO,
    ),
)

CFGMIN = Verb(
    "cfgmin",
    "print the configuration that may be given to neighbours",
    ("[options]",),
    (CFG, *INFO),
)

STAT = Verb(
    "stat",
    "show how many packets are waiting",
    ("[options] [-pkt] [-node NODE]",),
    (CFG, SPOOL, DEBUG, NODE, switch("pkt", "List every packet"), *INFO),
)

EXEC = Verb(
    "exec",
    "send a command to be executed, with its input on stdin",
    ("[options] NODE HANDLE [ARG0 ARG1 ...]", "[options] area:AREA HANDLE [ARG0 ARG1 ...]"),
    (
        *LOGGING,
        text("nice", "Niceness of the packet", "P"),
        text("replynice", "Niceness of a possible reply", "B"),
        unsigned("minsize", "Pad the packet to this size, in KiB"),
        unsigned("maxsize", "Refuse to make a larger packet, in KiB"),
        VIA,
        switch("nocompress", "Send the input uncompressed"),
    ),
)

FILE = Verb(
    "file",
    "send a file, a directory (as a pax archive) or stdin",
    ("[options] SRC NODE:[DST]", "[options] SRC area:AREA:[DST]"),
    (
        *LOGGING,
        text("nice", "Niceness of the packets", "B"),
        signed("minsize", "Pad each packet to this size, in KiB; -1: as freq.minsize of NODE", -1),
        unsigned("maxsize", "Refuse to make a larger packet, in KiB"),
        signed("chunked", "Send in chunks of this size, in KiB; -1: as freq.chunked of NODE", -1),
        VIA,
    ),
    "SRC may be - for stdin; DST must be given then. A directory becomes DST.tar.",
)

FREQ = Verb(
    "freq",
    "ask a node for one of its files",
    ("[options] NODE:SRC [DST]",),
    (
        *LOGGING,
        text("nice", "Niceness of the request", "N"),
        text("replynice", "Niceness that the file is to be sent with", "B"),
        unsigned("minsize", "Pad the request to this size, in KiB"),
        VIA,
    ),
)

REASS = Verb(
    "reass",
    "join files that came in chunks",
    ("[options] [FILE.nncp.meta]",),
    (
        *LOGGING,
        NODE,
        switch("all", "Join what lies in the incoming of every node"),
        switch("keep", "Remove no chunks"),
        switch("dryrun", "Only tell what would be done"),
        switch("dump", "Print what the meta file says"),
        switch("stdout", "Write the joined file to stdout"),
    ),
    "Exactly one of FILE, -node and -all must be given.",
)

TRNS = Verb(
    "trns",
    "send a packet that is sealed already through other nodes",
    ("[options] -via NODEx[,...] NODE:PKT", "[options] -via NODEx[,...] /path/to/PKT"),
    (*LOGGING, text("nice", "Niceness of the packet", "B"), VIA),
    "NODE:PKT is SPOOL/NODE/tx/PKT.",
)

ACK = Verb(
    "ack",
    "acknowledge packets that have arrived",
    ("[options] -all", "[options] -node NODE[,...]", "[options] -node NODE -pkt PKT"),
    (
        *LOGGING,
        switch("all", "Acknowledge all received packets of all nodes"),
        text("node", "Acknowledge the received packets of these nodes"),
        text("pkt", "Acknowledge only this packet"),
        text("nice", "Niceness of the acknowledgements", "N"),
        Flag("minsize", Kind.INT, "Pad each to this size, in KiB; -1: as ack.minsize of NODE", -1),
        text("via", "Route through these nodes (comma-separated; - for none; ignored with -all)"),
    ),
    "What was sent is written to descriptor 4, one NODE/PKT a line.",
)

RM = Verb(
    "rm",
    "remove packets and what belongs to them from the spool",
    (
        "[options] [-older X] -tmp",
        "[options] -lock",
        "[options] [-older X] {-all|-node NODE} -part",
        "[options] [-older X] {-all|-node NODE} -seen",
        "[options] [-older X] {-all|-node NODE} -nock",
        "[options] [-older X] {-all|-node NODE} -area",
        "[options] [-older X] {-all|-node NODE} -ack",
        "[options] [-older X] {-all|-node NODE} {-rx|-tx} [-hdr]",
        "[options] [-older X] {-all|-node NODE} -pkt < ...",
    ),
    (
        CFG,
        SPOOL,
        QUIET,
        DEBUG,
        NODE,
        switch("all", "All nodes"),
        switch("tmp", "Temporary files"),
        switch("lock", "Lock files that nobody holds"),
        switch("part", "Received packets that are not whole"),
        switch("seen", "Markers of tossed packets"),
        switch("nock", "Received packets that are not checked yet"),
        switch("area", "Markers of messages of areas"),
        switch("ack", "Outbound acknowledgements that toss has made"),
        switch("rx", "Received packets"),
        switch("tx", "Outbound packets"),
        switch("hdr", "With -rx or -tx: only the copies of headers"),
        switch("pkt", "Only the packets that stdin names"),
        text("older", "Only what is older than this: a number with s, m, h or d"),
        switch("dryrun", "Only tell what would be done"),
        *INFO,
    ),
)

TOSS = Verb(
    "toss",
    "process the packets that have arrived",
    ("[options]",),
    (
        *LOGGING,
        NODE,
        _ALLOWED_NICE,
        switch("dryrun", "Only tell what would be done"),
        switch("seen", "Mark tossed packets as seen"),
        unsigned("cycle", "Go on for ever, looking again after this many seconds"),
        switch("nofile", "Leave packets of type file alone"),
        switch("nofreq", "Leave packets of type freq alone"),
        switch("noexec", "Leave packets of type exec alone"),
        switch("notrns", "Leave packets to be relayed alone"),
        switch("noarea", "Leave packets of type area alone"),
        switch("noack", "Leave packets of type ack alone"),
        switch("gen-ack", "Acknowledge every packet that is done"),
    ),
)

XFER = Verb(
    "xfer",
    "exchange packets with neighbours through a directory",
    ("[options] DIR",),
    (
        *LOGGING,
        NODE,
        _ALLOWED_NICE,
        switch("rx", "Only take packets from the directory"),
        switch("tx", "Only put packets into the directory"),
        switch("mkdir", "Make the directories of recipients that are missing"),
        switch("keep", "Remove nothing that was copied"),
    ),
)

CALL = Verb(
    "call",
    "exchange packets with a neighbour online",
    ("[options] NODE[:ADDR] [FORCEADDR]",),
    (
        *LOGGING,
        _ALLOWED_NICE,
        switch("rx", "Only receive packets"),
        switch("tx", "Only send packets"),
        switch("list", "Only list what the neighbour has for us"),
        switch("nock", "Do not verify what is received; it stays .nock"),
        text("pkts", "Receive only these packets (comma-separated)"),
        signed("rxrate", "Receive at most so many messages a second"),
        signed("txrate", "Send at most so many pieces of packets a second"),
        unsigned("onlinedeadline", "End after so many seconds without anything to do"),
        unsigned("maxonlinetime", "End after so many seconds"),
        unsigned("mcd-wait", "Wait so many seconds for the neighbour's announcement by multicast"),
        switch("ucspi", "Talk over the descriptors 6 and 7 of a UCSPI client"),
        *AUTOTOSS,
    ),
    "ADDR is a name of addrs; FORCEADDR is HOST:PORT, [IPv6]:PORT or |COMMAND.",
)

DAEMON = Verb(
    "daemon",
    "take calls of neighbours",
    ("[options]",),
    (
        *LOGGING,
        _ALLOWED_NICE,
        text("bind", "Take calls at this address", "[::]:5400"),
        signed("maxconn", "Sessions at once; who calls beyond that waits", 128),
        switch("nock", "Do not verify what is received; it stays .nock"),
        switch("ucspi", "Talk over the descriptors 0 and 1 of a UCSPI server or inetd"),
        switch("inetd", "The same as -ucspi"),
        switch("mcd-once", "Announce ourselves by multicast once, and end"),
        text("yggdrasil", "Listen on Yggdrasil (not supported)"),
        *AUTOTOSS,
    ),
)

CALLER = Verb(
    "caller",
    "call neighbours when the configuration says so",
    ("[options] [NODE ...]",),
    (*LOGGING, *AUTOTOSS),
)

BUNDLE = Verb(
    "bundle",
    "write packets into one stream, or take them from one",
    (
        "[options] -tx [-delete] NODE [NODE ...] > ...",
        "[options] -rx -delete [-dryrun] [NODE ...] < ...",
        "[options] -rx [-check] [-dryrun] [NODE ...] < ...",
    ),
    (
        *LOGGING,
        _ALLOWED_NICE,
        switch("rx", "Take packets from stdin"),
        switch("tx", "Write packets to stdout"),
        switch("delete", "Remove packets that were written, or (-rx) that can be read again"),
        switch("check", "Verify what is received (which is always done)"),
        switch("dryrun", "Change nothing"),
    ),
)

CHECK = Verb(
    "check",
    "see that the packets in the spool are what their names say",
    ("[-nock] [options]",),
    (
        *LOGGING,
        NODE,
        switch("nock", "Verify .nock files, and turn the good ones into packets"),
        unsigned("cycle", "Go on for ever, checking again after this many seconds"),
    ),
)

SHOWLOG = Verb(
    "log",
    "print the log for people",
    ("[options]",),
    (CFG, LOG, DEBUG, *INFO),
)

PKT = Verb(
    "pkt",
    "show what a packet is",
    ("[options]",),
    (
        CFG,
        switch("dump", "Write the packet's content to stdout"),
        switch("decompress", "Decompress (zstd) what is dumped"),
        switch("overheads", "Print how large the layers are"),
        *INFO,
    ),
    "The packet is read from stdin.",
)

HASH = Verb(
    "hash",
    "compute the Merkle-tree hash of a file",
    ("[-file ...] [-seek X] [-debug] [-progress] [options]",),
    (
        text("file", "Read this file instead of stdin"),
        unsigned("seek", "Hash from this offset on, then what is before it"),
        switch("force-fat", "Hash with every leaf kept in memory"),
        switch("debug", "Print each hash of the tree"),
        PROGRESS,
        *INFO,
    ),
)

CFGDIR = Verb(
    "cfgdir",
    "write a configuration into a directory, or read one out of it",
    ("[options] [-cfg ...] -dump /path/to/dir", "[options] -load /path/to/dir > cfg.hjson"),
    (
        CFG,
        switch("dump", "Write the configuration into the directory"),
        switch("load", "Print the configuration of the directory"),
        *INFO,
    ),
)

CFGENC = Verb(
    "cfgenc",
    "encrypt a configuration with a passphrase, or decrypt it",
    (
        "[options] cfg.hjson > cfg.hjson.eblob",
        "[options] -d cfg.hjson.eblob > cfg.hjson",
        "[options] -dump cfg.hjson.eblob",
    ),
    (
        switch("d", "Decrypt the file"),
        switch("dump", "Print how costly it is to try a passphrase"),
        signed("s", "Balloon: memory, in blocks of 32 bytes", 32768),
        signed("t", "Balloon: rounds", 16),
        signed("p", "Balloon: buffers", 2),
        *INFO,
    ),
)

CRONEXPR = Verb(
    "cronexpr",
    "show the next times that a cron expression names",
    ("[-num XXX] CRON-EXPRESSION",),
    (unsigned("num", "How many times to show", 10), *INFO),
)

_ALL = (
    CFGNEW,
    CFGMIN,
    CFGDIR,
    CFGENC,
    CRONEXPR,
    STAT,
    EXEC,
    FILE,
    FREQ,
    REASS,
    TRNS,
    ACK,
    RM,
    TOSS,
    CALL,
    DAEMON,
    CALLER,
    XFER,
    BUNDLE,
    CHECK,
    SHOWLOG,
    PKT,
    HASH,
)
VERBS = {verb.name: verb for verb in _ALL}
