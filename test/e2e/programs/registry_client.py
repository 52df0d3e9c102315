"""Drives a schema registry with Confluent's client for Python: the address, and what we wrote, come as JSON in argv[1]."""

import json
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

given = json.loads(sys.argv[1])
client = SchemaRegistryClient({"url": given["url"], "basic.auth.user.info": "anyone:" + given["token"]})
answer = {}


def record(name, *fields):
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


ID = {"name": "id", "type": "long"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}

# Schemas, versions and levels.
first = Schema(record("One", ID), "AVRO")
answer["id"] = client.register_schema("py-value", first)
answer["again"] = client.register_schema("py-value", first)
answer["schema"] = json.loads(client.get_schema(answer["id"]).schema_str)
answer["lookup"] = client.lookup_schema("py-value", first).version
bad = Schema(record("One", ID, {"name": "x", "type": "int"}), "AVRO")
answer["compatible"] = client.test_compatibility("py-value", bad)
try:
    client.register_schema("py-value", bad)
except SchemaRegistryError as error:
    answer["refused"] = [error.http_status_code, error.error_code]
client.register_schema("py-value", Schema(record("One", ID, NOTE), "AVRO"))
answer["versions"] = client.get_versions("py-value")
answer["latest"] = client.get_latest_version("py-value").version
client.set_compatibility("py-value", "NONE")
answer["level"] = client.get_compatibility("py-value")
answer["subjects"] = client.get_subjects()
money = Schema(json.dumps({"type": "record", "name": "bank.Money", "fields": [{"name": "cents", "type": "long"}]}), "AVRO")
client.register_schema("py-money", money)
reference = SchemaReference(name="bank.Money", subject="py-money", version=1)
priced = Schema(record("Priced", {"name": "price", "type": "bank.Money"}), "AVRO", [reference])
client.register_schema("py-priced", priced)
answer["deleted"] = [client.delete_version("py-value", 1), client.delete_subject("py-value")]

# Bytes: what it writes, and what it reads of what we wrote.
context = SerializationContext("bytes", MessageField.VALUE)
serializer = AvroSerializer(client, record("Order", ID, NOTE))
answer["bytes"] = serializer({"id": 2**40, "note": "grüße"}, context).hex()
answer["read"] = AvroDeserializer(client)(bytes.fromhex(given["bytes"]), context)
print(json.dumps(answer))
