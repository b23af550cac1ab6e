/* SPDX-License-Identifier: Apache-2.0
 * Protobuf in and out: the only caller of protobuf-c.
 *
 * Unpacking has three steps, each of which may refuse: a scan of the tags against the descriptors, without any
 * allocation, bounds the work and refuses what is unknown, out of order or repeated; protobuf-c unpacks into the
 * arena, which bounds the memory; packing the result again must give the input, which refuses the rest of the
 * encodings protobuf allows (long varints, explicit defaults, empty oneofs). */
#include <string.h>

#include <tmx/codec.h>
#include <tmx/limits.h>

/* The deepest message of the schema nests four levels; it has no recursive types. */
#define DEPTH_MAX 8u

static bool read_varint(struct tmx_reader *r, uint64_t *ret_value)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = tmx_read_u8(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = v;
            return tmx_reader_ok(r);
        }
    }
    return false;
}

static unsigned wire_type(const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED && (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0) {
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    default:
        assert(false && "a field type protobuf-c does not generate");
        return 0;
    }
}

static int scan(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, unsigned depth, size_t *fields);

/* One field's value, of the type its descriptor says. */
static int scan_value(const ProtobufCFieldDescriptor *field, struct tmx_reader *r, unsigned depth, size_t *fields)
{
    uint64_t number = 0;

    switch (wire_type(field)) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(r, &number) ? TMX_CODEC_OK : TMX_CODEC_E_MALFORMED;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        tmx_read_bytes(r, 8);
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        tmx_read_bytes(r, 4);
        break;
    default:
        if (!read_varint(r, &number) || number > r->left) {
            return TMX_CODEC_E_MALFORMED;
        }
        struct tmx_bytes value = tmx_read_bytes(r, (size_t)number);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            return scan(field->descriptor, value, depth + 1, fields);
        }
        break;
    }
    return tmx_reader_ok(r) ? TMX_CODEC_OK : TMX_CODEC_E_MALFORMED;
}

static int scan(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, unsigned depth, size_t *fields)
{
    struct tmx_reader r = tmx_reader_init(input);
    unsigned at = 0;   /* in the descriptor's fields: they ascend, as those of the message must */

    if (depth >= DEPTH_MAX) {
        return TMX_CODEC_E_MALFORMED;
    }
    while (r.left > 0) {
        uint64_t tag;

        if (!read_varint(&r, &tag) || tag > UINT32_MAX) {
            return TMX_CODEC_E_MALFORMED;
        }
        while (at < type->n_fields && type->fields[at].id < tag >> 3) {
            at++;
        }
        const ProtobufCFieldDescriptor *field = at < type->n_fields ? &type->fields[at] : NULL;
        if (field == NULL || field->id != tag >> 3 || wire_type(field) != (tag & 7)) {
            return TMX_CODEC_E_MALFORMED;
        }
        if (++*fields > TMX_CODEC_FIELDS_MAX) {
            return TMX_CODEC_E_TOO_LARGE;
        }
        int verdict = scan_value(field, &r, depth, fields);
        if (verdict != TMX_CODEC_OK) {
            return verdict;
        }
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            at++;   /* once */
        }
    }
    return TMX_CODEC_OK;
}

struct memory {
    struct tmx_arena *arena;
    bool exhausted;
};

static void *allocate(void *data, size_t size)
{
    struct memory *memory = data;
    void *block = tmx_arena_alloc(memory->arena, size);

    memory->exhausted |= block == NULL;
    return block;
}

static void release(void *data, void *block)
{
    /* the arena gives everything back at once */
}

/* A buffer that compares what is appended with what came, instead of storing it. */
struct comparison {
    ProtobufCBuffer base;
    struct tmx_reader expected;
    bool differs;
};

static void compare(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct comparison *c = (struct comparison *)buffer;

    c->differs |= !tmx_bytes_eq(tmx_read_bytes(&c->expected, size), TMX_BYTES(data, size));
}

static bool canonical(const ProtobufCMessage *message, struct tmx_bytes input)
{
    struct comparison c = { .base.append = compare, .expected = tmx_reader_init(input) };

    protobuf_c_message_pack_to_buffer(message, &c.base);
    return !c.differs && tmx_reader_done(&c.expected);
}

int tmx_codec_unpack(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, size_t max,
                     struct tmx_arena *arena, void *ret_message)
{
    struct memory memory = { .arena = arena };
    ProtobufCAllocator allocator = { .alloc = allocate, .free = release, .allocator_data = &memory };
    size_t before = arena->used;
    size_t fields = 0;

    if (input.size > max) {
        return TMX_CODEC_E_TOO_LARGE;
    }
    int verdict = scan(type, input, 0, &fields);
    if (verdict != TMX_CODEC_OK) {
        return verdict;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, input.size, input.data);
    if (message == NULL || !canonical(message, input)) {
        tmx_arena_rewind(arena, before);
        return memory.exhausted ? TMX_CODEC_E_TOO_LARGE : TMX_CODEC_E_MALFORMED;
    }
    memcpy(ret_message, &message, sizeof(message));
    return TMX_CODEC_OK;
}

int tmx_codec_pack(const void *message, struct tmx_arena *arena, struct tmx_bytes *ret_bytes)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = tmx_arena_alloc(arena, size);

    if (data == NULL) {
        return TMX_CODEC_E_TOO_LARGE;
    }
    size_t packed = protobuf_c_message_pack(message, data);
    assert(packed == size);
    *ret_bytes = TMX_BYTES(data, size);
    return TMX_CODEC_OK;
}
