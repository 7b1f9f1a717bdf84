"""A delivery status notification as GMime reads it: the library that many mail programs of Linux stand on. By ctypes, since
its shared library is there wherever Sesame is."""
import ctypes
import ctypes.util

glib = ctypes.CDLL("libglib-2.0.so.0")
gmime = ctypes.CDLL("libgmime-3.0.so.0")
P, S, N = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t


def function(name, answers, *takes):
    made = getattr(gmime, "g_mime_" + name)
    made.restype, made.argtypes = answers, takes
    return made


mem_new = function("stream_mem_new", P)
mem_of = function("stream_mem_new_with_buffer", P, S, N)
mem_bytes = function("stream_mem_get_byte_array", P, P)
parser_new = function("parser_new_with_stream", P, P)
construct_message = function("parser_construct_message", P, P, P)
construct_part = function("parser_construct_part", P, P, P)
mime_part = function("message_get_mime_part", P, P)
content_type = function("object_get_content_type", P, P)
mime_type = function("content_type_get_mime_type", P, P)
parameter = function("content_type_get_parameter", S, P, S)
count = function("multipart_get_count", ctypes.c_int, P)
part_at = function("multipart_get_part", P, P, ctypes.c_int)
content = function("part_get_content", P, P)
write_to = function("data_wrapper_write_to_stream", ctypes.c_ssize_t, P, P)
headers_of = function("object_get_header_list", P, P)
header_count = function("header_list_get_count", ctypes.c_int, P)
header_at = function("header_list_get_header_at", P, P, ctypes.c_int)
header_name = function("header_get_name", S, P)
header_value = function("header_get_value", S, P)
gmime.g_mime_init()
glib.g_free.argtypes = [P]


class ByteArray(ctypes.Structure):
    _fields_ = [("data", P), ("len", ctypes.c_uint)]


def parsed(construct, octets):
    found = construct(parser_new(mem_of(octets, len(octets))), None)
    assert found, octets
    return found


def type_of(thing):
    text = mime_type(content_type(thing))
    word = ctypes.string_at(text).decode()
    glib.g_free(text)
    return word


def fields_of(thing):
    held = headers_of(thing)
    each = [header_at(held, i) for i in range(header_count(held))]
    return [(header_name(h).decode(), header_value(h).decode()) for h in each]


def octets_of(part):
    to = mem_new()
    assert write_to(content(part), to) >= 0
    held = ctypes.cast(mem_bytes(to), ctypes.POINTER(ByteArray)).contents
    return ctypes.string_at(held.data, held.len) if held.len else b""


class Report:
    """The fields of the message, its content type and report type, the parts, and the groups of fields of the status."""

    def __init__(self, octets):
        message = parsed(construct_message, octets)
        whole = mime_part(message)
        self.fields, self.type = fields_of(message), type_of(whole)
        self.report_type = parameter(content_type(whole), b"report-type").decode()
        parts = [part_at(whole, i) for i in range(count(whole))]
        self.parts = [(type_of(p), dict(fields_of(p)).get("Content-Description")) for p in parts]
        self.words, status, self.original = [octets_of(p) for p in parts]
        self.groups = [fields_of(parsed(construct_part, group + b"\r\n\r\n"))
                       for group in status.strip(b"\r\n").split(b"\r\n\r\n")]
