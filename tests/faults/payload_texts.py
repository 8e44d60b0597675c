"""What payloads write into files and names."""

# The canary: a command that creates it, and names that a shell, a page or a path would take for something else.
SHELL = "touch pwned"
NAMES = (
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned;b",
    "a\ntouch pwned\nb",
    "a' && touch pwned && '",
    'a" && touch pwned && "',
    "--out=pwned",
    "-rf",
    "<script>alert(1)</script>",
    "%s%n{0}{x.__class__}",
    "=cmd|' /C calc'!A0",
)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(%pipe%touch pwned) (w) file closefile\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
MVG = b"push graphic-context\nfill 'url(https://x/\"|touch pwned\")'\npop graphic-context\n"
PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a.mp4": "ffconcat version 1.0\nfile /etc/passwd\n",
    "a.avi": "#EXTM3U\n#EXTINF:1,\nconcat:video.avi|/etc/passwd\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}
XXE = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>0.jpg</filename>'
    "<size><width>64</width><height>48</height></size><object><name>&x;</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
    "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "'
    + "lol" * 100
    + '">'
    + "".join(f'<!ENTITY b{n} "{f"&b{n - 1 if n else str()};" * 10}">' for n in range(9))
    + "]><annotation><filename>&b8;</filename></annotation>"
)
YAML = f"names: !!python/object/apply:os.system ['{SHELL}']\ntrain: images\nval: images\n"
