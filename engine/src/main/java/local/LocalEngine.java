package local;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** Runs the real engine with its REST API and Cockpit. Every setting is in application.yaml. */
@SpringBootApplication
public class LocalEngine {
  public static void main(String[] args) {
    SpringApplication.run(LocalEngine.class, args);
  }
}
