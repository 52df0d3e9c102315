import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own clients, told what to do by lines of JSON: one line in, one line out, {"ok": …} or {"error": …}. Bytes are
 * base64, null is null. It ends when its input ends. Started by java-peer.ts.
 */
public final class KafkaPeer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration TURN = Duration.ofMillis(200);

    private final String bootstrap;
    private final Admin admin;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();

    private KafkaPeer(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        // Whatever else is printed is not an answer.
        System.setOut(System.err);
        KafkaPeer peer = new KafkaPeer(args[0]);
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                answer.set("ok", peer.answer(JSON.readTree(line)));
            } catch (Exception error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                answer.put("error", cause.toString());
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        System.exit(0);
    }

    private JsonNode answer(JsonNode ask) throws Exception {
        switch (ask.get("kind").asText()) {
            case "createTopic":
                return createTopic(ask);
            case "producer":
                return openProducer(ask);
            case "send":
                return send(ask);
            case "begin":
                producer(ask).beginTransaction();
                return null;
            case "commit":
                producer(ask).commitTransaction();
                return null;
            case "abort":
                producer(ask).abortTransaction();
                return null;
            case "consume":
                return consume(ask);
            case "positions":
                return positions(ask);
            case "setPositions":
                return setPositions(ask);
            case "commitAsConsumer":
                return commitAsConsumer(ask);
            case "fence":
                return fence(ask);
            default:
                throw new IllegalArgumentException(ask.toString());
        }
    }

    private JsonNode createTopic(JsonNode ask) throws Exception {
        NewTopic topic = new NewTopic(ask.get("topic").asText(), ask.get("partitions").asInt(), (short) 1);
        admin.createTopics(List.of(topic.configs(texts(ask.get("config"))))).all().get();
        return null;
    }

    private JsonNode openProducer(JsonNode ask) {
        Map<String, Object> config = new HashMap<>(texts(ask.get("config")));
        config.put("bootstrap.servers", bootstrap);
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        if (config.containsKey("transactional.id")) producer.initTransactions();
        producers.put(ask.get("name").asText(), producer);
        return null;
    }

    private KafkaProducer<byte[], byte[]> producer(JsonNode ask) {
        return producers.get(ask.get("name").asText());
    }

    /** Resolves when all of them are at the broker: their offsets, in order. */
    private JsonNode send(JsonNode ask) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        KafkaProducer<byte[], byte[]> producer = producer(ask);
        for (JsonNode one : ask.get("records")) {
            Long timestamp = one.get("timestamp").isNull() ? null : one.get("timestamp").asLong();
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                ask.get("topic").asText(), ask.get("partition").asInt(), timestamp, bytes(one.get("key")), bytes(one.get("value")));
            for (JsonNode header : one.get("headers")) {
                record.headers().add(header.get("key").asText(), bytes(header.get("value")));
            }
            sent.add(producer.send(record));
        }
        producer.flush();
        ArrayNode offsets = JSON.createArrayNode();
        for (Future<RecordMetadata> one : sent) offsets.add(one.get().offset());
        return offsets;
    }

    /** All records of a partition up to the end that the isolation level shows, and the position after them. */
    private JsonNode consume(JsonNode ask) {
        Map<String, Object> config = new HashMap<>(texts(ask.get("config")));
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.auto.commit", "false");
        config.put("fetch.max.wait.ms", "10");
        TopicPartition partition = partition(ask);
        try (KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            ArrayNode records = JSON.createArrayNode();
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(TURN)) records.add(described(record));
            }
            ObjectNode answer = JSON.createObjectNode();
            answer.set("records", records);
            answer.put("position", consumer.position(partition));
            return answer;
        }
    }

    private static ObjectNode described(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode node = JSON.createObjectNode();
        node.put("offset", record.offset());
        node.put("timestamp", record.timestamp());
        node.put("key", text(record.key()));
        node.put("value", text(record.value()));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            ObjectNode one = headers.addObject();
            one.put("key", header.key());
            one.put("value", text(header.value()));
        }
        return node;
    }

    private JsonNode positions(JsonNode ask) throws Exception {
        ArrayNode found = JSON.createArrayNode();
        String group = ask.get("group").asText();
        // A broker answers the end of a transaction before the group's own log has its marker; until then the old position is told.
        ListConsumerGroupOffsetsOptions stable = new ListConsumerGroupOffsetsOptions().requireStable(true);
        admin.listConsumerGroupOffsets(group, stable).partitionsToOffsetAndMetadata().get().forEach((partition, position) -> {
            ObjectNode one = found.addObject();
            one.put("group", group);
            one.put("topic", partition.topic());
            one.put("partition", partition.partition());
            one.put("offset", position.offset());
            one.put("metadata", position.metadata());
        });
        return found;
    }

    private JsonNode setPositions(JsonNode ask) throws Exception {
        admin.alterConsumerGroupOffsets(ask.get("group").asText(), offsets(ask)).all().get();
        return null;
    }

    private JsonNode commitAsConsumer(JsonNode ask) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "group.id", ask.get("group").asText());
        try (KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, OffsetAndMetadata> offsets = offsets(ask);
            consumer.assign(offsets.keySet());
            consumer.commitSync(offsets);
            return null;
        }
    }

    private JsonNode fence(JsonNode ask) throws Exception {
        List<String> ids = new ArrayList<>();
        for (JsonNode id : ask.get("ids")) ids.add(id.asText());
        admin.fenceProducers(ids).all().get();
        return null;
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(JsonNode ask) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode one : ask.get("positions")) {
            long offset = one.get("offset").asLong();
            offsets.put(partition(one), new OffsetAndMetadata(offset, Optional.empty(), one.get("metadata").asText()));
        }
        return offsets;
    }

    private static TopicPartition partition(JsonNode node) {
        return new TopicPartition(node.get("topic").asText(), node.get("partition").asInt());
    }

    private static Map<String, String> texts(JsonNode node) {
        Map<String, String> texts = new HashMap<>();
        node.fields().forEachRemaining(one -> texts.put(one.getKey(), one.getValue().asText()));
        return texts;
    }

    private static byte[] bytes(JsonNode node) {
        return node.isNull() ? null : Base64.getDecoder().decode(node.asText());
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
