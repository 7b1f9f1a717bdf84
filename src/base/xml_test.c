/* XML: what we write, what we read, and what never gets past the first event. */
#include "base/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void text_is_escaped_and_forbidden_characters_replaced(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(4096);
    xml_declare(&out);
    xml_open_in(&out, "Result", "https://x.test/?a&b");
    xml_leaf(&out, "Key", STR("a<b>&\"c\"'d'\r\n"));
    xml_leaf(&out, "Odd", STR("\x01\0\xff\xed\xa0\x80\xef\xbf\xbf\xf0\x9f\x98\x80"));
    xml_leaf(&out, "Absent", STR_NONE);
    xml_leaf(&out, "Empty", STR(""));
    xml_leaf_int(&out, "Size", -9223372036854775807 - 1);
    xml_leaf_bool(&out, "IsTruncated", false);
    xml_close(&out, "Result");
    buf_addc(&out, '\0');
    assert_string_equal(
        out.ptr,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Result xmlns=\"https://x.test/?a&amp;b\">"
        "<Key>a&lt;b&gt;&amp;&quot;c&quot;&apos;d&apos;&#13;\n</Key>"
        "<Odd>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
        "\xf0\x9f\x98\x80</Odd>"
        "<Empty></Empty><Size>-9223372036854775808</Size>"
        "<IsTruncated>false</IsTruncated></Result>");
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF out = buf_new(4096);
    const struct xml_element *root = NULL;
    str text = STR("<&>\"'\r\n\t \xc3\xa9]]>");
    xml_leaf(&out, "T", text);
    assert_null(xml_parse(buf_str(&out), a, &root));
    assert_true(str_eq(root->text, text));
}

static void a_tree_has_local_names_children_in_order_and_attributes(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct xml_element *root = NULL;
    assert_null(xml_parse(
        STR("<?xml version='1.0'?><!-- c --><Delete xmlns='http://s3/' xmlns:x='http://x/'>"
            "<Object><Key>a&amp;b</Key></Object><Quiet>true</Quiet>"
            "<Object x:type=\"T&lt;\" n='1'><Key>c<!-- in "
            "-->d<![CDATA[<e>]]></Key></Object></Delete>"),
        a, &root));
    assert_true(str_eq(root->name, STR("Delete")));
    assert_true(str_eq(xml_str(root, "Quiet"), STR("true")));
    const struct xml_element *object = xml_get(root, "Object");
    assert_true(str_eq(xml_str(object, "Key"), STR("a&b")));
    object = xml_again(object);
    assert_true(str_eq(xml_str(object, "Key"), STR("cd<e>")));
    assert_true(str_eq(object->attributes->name, STR("type")));
    assert_true(str_eq(object->attributes->value, STR("T<")));
    assert_true(str_eq(object->attributes->next->name, STR("n")));
    assert_null(xml_again(object));
    assert_true(str_is_none(xml_str(root, "Absent")));
    assert_true(str_is_none(xml_str(xml_get(NULL, "x"), "y")));
}

static void a_document_type_is_refused_before_its_entities(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct xml_element *root = NULL;
    const struct fault *f = xml_parse(STR("<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "
                                          "'file:///etc/passwd'>]><x>&e;</x>"),
                                      a, &root);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_SYNTAX);
    assert_true(str_starts(f->says, STR("line 2, column ")));
    assert_true(str_ends(f->says, STR(": a document type is not allowed")));
    assert_null(root);
}

static void what_is_not_xml_is_refused_with_its_place(void **state)
{
    (void)state;
    static const str bad[] = {
        STR_INIT(""),
        STR_INIT("x"),
        STR_INIT("<a>"),
        STR_INIT("<a></b>"),
        STR_INIT("<a/><b/>"),
        STR_INIT("<a>&e;</a>"),
        STR_INIT("<a>\x01</a>"),
        STR_INIT("<a>\xff</a>"),
        STR_INIT("<a b='1' b='2'/>"),
        STR_INIT("<a>\0</a>"),
        STR_INIT("<x:a/>"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        const struct xml_element *root = NULL;
        const struct fault *f = xml_parse(bad[i], a, &root);
        assert_non_null(f);
        assert_int_equal(f->kind, FAULT_SYNTAX);
        assert_true(str_starts(f->says, STR("line 1, column ")));
    }
}

static const struct fault *nested(struct arena *a, int depth)
{
    AUTO_BUF out = buf_new(1 << 20);
    const struct xml_element *root = NULL;
    for (int i = 0; i < depth; i++)
        xml_open(&out, "a");
    buf_add(&out, STR("text"));
    for (int i = 0; i < depth; i++)
        xml_close(&out, "a");
    return xml_parse(buf_str(&out), a, &root);
}

static void depth_and_number_of_elements_are_bounded(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(64 << 20);
    assert_null(nested(a, XML_DEPTH));
    assert_int_equal(nested(a, XML_DEPTH + 1)->kind, FAULT_LIMIT);
    AUTO_BUF out = buf_new(1 << 20);
    const struct xml_element *root = NULL;
    xml_open(&out, "a");
    for (int i = 0; i < XML_ELEMENTS_MAX; i++)
        buf_add(&out, STR("<b/>"));
    xml_close(&out, "a");
    assert_int_equal(xml_parse(buf_str(&out), a, &root)->kind, FAULT_LIMIT);
    AUTO_ARENA *small = arena_new(4096);
    assert_int_equal(xml_parse(str_head(buf_str(&out), 4000), small, &root)->kind, FAULT_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped_and_forbidden_characters_replaced),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_tree_has_local_names_children_in_order_and_attributes),
        cmocka_unit_test(a_document_type_is_refused_before_its_entities),
        cmocka_unit_test(what_is_not_xml_is_refused_with_its_place),
        cmocka_unit_test(depth_and_number_of_elements_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
