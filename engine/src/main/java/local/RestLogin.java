package local;

import jakarta.servlet.Filter;
import java.util.List;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.util.ClassUtils;

/** HTTP basic authentication of the REST API, for an engine that checks authorizations. */
@Configuration
@ConditionalOnProperty("local-engine.authorization")
class RestLogin {
  private static final String FILTER = "bpm.engine.rest.security.auth.ProcessEngineAuthenticationFilter";
  private static final String PROVIDER = "bpm.engine.rest.security.auth.impl.HttpBasicAuthenticationProvider";

  @Bean
  FilterRegistrationBean<Filter> basicAuthentication() throws ReflectiveOperationException {
    // The two engines have the same classes in packages of different names.
    String root = ClassUtils.isPresent("org.operaton." + FILTER, null) ? "org.operaton." : "org.camunda.";
    Filter filter = (Filter) Class.forName(root + FILTER).getDeclaredConstructor().newInstance();
    FilterRegistrationBean<Filter> login = new FilterRegistrationBean<>(filter);
    login.setUrlPatterns(List.of("/engine-rest/*"));
    login.addInitParameter("authentication-provider", root + PROVIDER);
    return login;
  }
}
