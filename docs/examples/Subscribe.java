// java -cp 'jars/*' Subscribe.java BOOTSTRAP TOPIC   (io.cloudevents:cloudevents-kafka, cloudevents-json-jackson, kafka-clients)
import io.cloudevents.CloudEvent;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

class Subscribe {
  public static void main(String[] args) {
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "group.id", "my-team-java",
        "auto.offset.reset", "earliest", "enable.auto.commit", false);
    Set<String> seen = new HashSet<>(); // keep it in your own store, next to what you make of the events
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer())) {
      consumer.subscribe(List.of(args[1]));
      while (true) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          CloudEvent event = record.value();
          if (seen.add(event.getSource() + " " + event.getId())) // else a repeat
            System.out.println(new String(new JsonFormat().serialize(event)));
        }
        consumer.commitSync(); // only what was taken in
      }
    }
  }
}
