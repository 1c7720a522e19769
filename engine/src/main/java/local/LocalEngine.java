package local;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.turbo.TurboFilter;
import ch.qos.logback.core.spi.FilterReply;
import java.util.Arrays;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;
import org.slf4j.Marker;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** Runs the real engine with its REST API and Cockpit. Every setting is in application.yaml. */
@SpringBootApplication
public class LocalEngine {
  public static void main(String[] args) {
    SpringApplication.run(LocalEngine.class, args);
    // Only now: Spring Boot sets up logging anew while it starts.
    ((LoggerContext) LoggerFactory.getILoggerFactory()).addTurboFilter(new ConflictFilter());
  }

  /** Drops the stack traces of transaction conflicts: the engine and its clients repeat what met one. */
  private static final class ConflictFilter extends TurboFilter {
    @Override
    public FilterReply decide(
        Marker marker, Logger logger, Level level, String format, Object[] params, Throwable thrown) {
      Stream<Object> parts = Stream.concat(Stream.of(thrown, format), params == null ? Stream.of() : Arrays.stream(params));
      // The REST API logs a trace as text, whose first line names the exception.
      return parts.anyMatch(part -> part != null && firstLine(part).contains("OptimisticLockingException"))
          ? FilterReply.DENY
          : FilterReply.NEUTRAL;
    }

    private static String firstLine(Object part) {
      return part.toString().lines().findFirst().orElse("");
    }
  }
}
